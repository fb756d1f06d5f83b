// Text to blocks to sanitised elements, for a text that may still be growing.
//
//   const view = markdownView(element, { t });
//   view.append("Hel"); view.append("lo"); view.finish();   // a reply that streams
//   view.set(text);                                        // a text that is whole
//
// A block (paragraph, list, table, code...) is finished once a later complete line has begun another one; then it is
// rendered for the last time and never touched again. Only what comes after is rendered at each frame, mended so
// that half-written markers do not flicker. The result does not depend on how the text was cut into pieces, so a long
// text is drawn as one that comes in pieces, a slice between two frames.

import { followNote, Known } from "./conversation/definitions.js";
import { noteUnfolding } from "./conversation/details.js";
import { MOST, upgrade } from "./conversation/extras.js";
import { GrowingCode, openCode } from "./conversation/growing.js";
import { nameBroken, showMedia } from "./conversation/media.js";
import { mend } from "./conversation/mend.js";
import { morph } from "./conversation/morph.js";
import { parserFor } from "./conversation/parser.js";
import { prose } from "./conversation/sanitize.js";
import { slices } from "./conversation/slices.js";

const SLICE = { characters: 6000, blocks: 60 }; // drawn at once, at most: with a single longer block, more
const RUN = 100; // blocks: from as many on they stand in runs, which are not laid out where nobody sees them
const SHARE = 4; // a frame's rendering may take a fifth of the time: it pauses four times as long as it took

/** most: how many pieces of code and formulas are coloured and set. media: the address of a picture or sound by its name. */
export function markdownView(element, { t, most = MOST, media = null }) {
  return new MarkdownView(element, t, most, media);
}

class MarkdownView {
  #element;
  #t;
  #md;
  #most;
  #media;
  #blocks = []; // {element, source, html, extras}; the first #finished of them are final
  #finished = 0;
  #extras = 0; // code and formulas in all blocks
  #known;
  #fresh = new Set(); // labels that something new is known of
  #awaited = new Set(); // labels of marks whose note may still come
  #stale = new Set(); // indices of finished blocks that such labels change
  #text = "";
  #read = 0; // characters of it that are in the source
  #source = ""; // the text with line ends as the parser counts them
  #begun = 0; // where the first unfinished block begins in the source
  #looked = 0; // up to where complete lines have been looked at
  #reach = SLICE.characters; // how far the next slice looks
  #whole = false; // finish() was called, and nothing has come since
  #last = false; // the end of a whole text is drawn
  #frame = 0;
  #timer = 0;
  #notBefore = 0;
  #growing = null; // {index, code}: the last block, while it is code without an end
  #note = null; // that there are too many of them

  constructor(element, t, most, media) {
    this.#element = element;
    this.#t = t;
    this.#md = parserFor(t);
    this.#most = most;
    this.#media = media;
    if (media) element.addEventListener("error", nameBroken, true);
    this.#known = new Known(this.#md);
    element.addEventListener("click", (event) => {
      followNote(element, event);
      noteUnfolding(event);
    });
  }

  get text() {
    return this.#text;
  }

  append(piece) {
    if (this.#whole) this.#reset();
    this.#text += piece;
    this.#schedule();
  }

  /** Show a whole text, its beginning now. Blocks that it shares with what was shown stay as they are. */
  set(text) {
    if (this.#whole && text === this.#text) return;
    const source = unixLines(text);
    if (this.#whole || !source.startsWith(this.#source.slice(0, this.#begun))) this.#reset();
    this.#text = text;
    this.#source = source;
    this.#read = text.length;
    this.finish();
  }

  /** No more will come: draw what is left. */
  finish() {
    this.#cancel();
    if (this.#whole) return;
    this.#whole = true;
    this.#draw();
  }

  /** Draw now what `append` has left for the next frame. */
  flush() {
    this.#cancel();
    this.#draw();
  }

  destroy() {
    this.#cancel();
    slices.delete(this.#element);
  }

  #reset() {
    slices.delete(this.#element);
    this.#drop(0);
    this.#known = new Known(this.#md);
    for (const labels of [this.#fresh, this.#awaited, this.#stale]) labels.clear();
    this.#growing = null;
    this.#source = "";
    this.#read = this.#finished = this.#begun = this.#looked = this.#extras = 0;
    this.#reach = SLICE.characters;
    this.#whole = this.#last = false;
  }

  #cancel() {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#frame = this.#timer = 0;
  }

  #schedule() {
    if (this.#frame || this.#timer) return;
    const wait = this.#notBefore - performance.now();
    const paint = () => {
      this.#timer = 0;
      // A hidden tab has no frames, and needs none: what it shows then is rendered when it is seen again.
      this.#frame = requestAnimationFrame(() => {
        this.#frame = 0;
        const begun = performance.now();
        this.#draw();
        this.#notBefore = performance.now() + Math.min(500, SHARE * (performance.now() - begun));
      });
    };
    if (wait > 0) this.#timer = setTimeout(paint, wait);
    else paint();
  }

  // Draw as much as this task has time for, and the rest in later ones.
  #draw() {
    slices.begin();
    let more = this.#drawSlice();
    while (more && slices.free) more = this.#drawSlice();
    if (more) slices.add(this.#element, () => this.#drawSlice());
  }

  // Gives whether anything is left.
  #drawSlice() {
    this.#readOn();
    const open = this.#whole ? null : openCode(this.#source.slice(this.#begun));
    if (open) this.#grow(open);
    else if (this.#finishBlocks()) return true;
    else this.#drawEnd();
    this.#tellOfMany();
    return this.#nameAgain();
  }

  // A "\r" at the end may be the first half of a line end.
  #readOn() {
    const end = this.#text.length - (!this.#whole && this.#text.endsWith("\r") ? 1 : 0);
    this.#source += unixLines(this.#text.slice(this.#read, end));
    this.#read = end;
  }

  // What no later line has closed yet.
  #drawEnd() {
    this.#last = this.#whole;
    const rest = this.#source.slice(this.#begun);
    const open = this.#last ? null : openCode(rest);
    if (open) {
      this.#grow(open);
      return;
    }
    this.#growing = null;
    const blocks = this.#split(this.#last ? rest : mend(rest));
    this.#drop(this.#finished + blocks.length);
    if (!this.#last) {
      blocks.forEach((block, index) => this.#show(this.#finished + index, block.source, block.render()));
      return;
    }
    blocks.forEach((block) => this.#finish(block));
    this.#begun = this.#looked = this.#source.length;
    for (const label of this.#awaited) this.#fresh.add(label); // no note came for them
    this.#awaited.clear();
  }

  // The blocks from `index` on.
  #drop(index) {
    for (const { element, extras } of this.#blocks.splice(index)) {
      const { parentNode: outer } = element;
      element.remove();
      if (outer !== this.#element && !outer.firstChild) outer.remove();
      this.#extras -= extras;
    }
  }

  #grow({ fence, lang, code }) {
    const index = this.#finished;
    if (this.#growing?.index !== index) {
      const [block] = this.#split(fence);
      this.#show(index, block.source, block.render());
      this.#drop(index + 1);
      this.#blocks[index].html = null; // what it shows from now on is no longer what was rendered
      this.#growing = { index, code: new GrowingCode(this.#blocks[index].element.querySelector("code"), this.#element, lang) };
    }
    this.#growing.code.update(code);
  }

  // Finish blocks that a later complete line has closed, as many as a slice holds; whether that is not all. A block that
  // is longer than the slice is drawn at once.
  #finishBlocks() {
    const from = this.#begun;
    for (let reach = this.#reach; ; reach *= 2) {
      const cut = from + reach < this.#source.length;
      const end = this.#source.lastIndexOf("\n", cut ? from + reach - 1 : undefined) + 1;
      const all = this.#finishUpTo(end);
      if (cut && this.#begun === from) continue;
      this.#reach = Math.max(200, Math.min(SLICE.characters, all ? 2 * reach : 2 * (this.#begun - from)));
      return cut || !all;
    }
  }

  // Gives false where there are more closed blocks than a slice holds. A formula without an end may yet turn out to be
  // text, and then belongs to the paragraph before it.
  #finishUpTo(end) {
    if (end <= this.#looked) return true;
    const blocks = this.#split(this.#source.slice(this.#begun, end));
    const closed = blocks.slice(0, blocks.at(-1)?.open ? -2 : -1);
    for (const block of closed.slice(0, SLICE.blocks)) {
      this.#finish(block);
      this.#begun += block.source.length;
    }
    const all = closed.length <= SLICE.blocks;
    this.#looked = all ? end : this.#begun;
    return all;
  }

  // The next block is final, and what it defines and names holds for all.
  #finish({ source, render, unsure }) {
    const index = this.#finished;
    this.#finished += 1;
    const linked = source.includes("[");
    if (linked) this.#known.mention(source, index);
    this.#show(index, source, linked || unsure ? this.#alone(source, index) : render());
  }

  // The HTML of a finished block, by what finished blocks define and name.
  #alone(source, index) {
    const env = this.#known.scope({ awaiting: !this.#last, at: index });
    const tokens = this.#md.parse(source, env);
    for (const label of this.#known.learn(env, index)) this.#fresh.add(label);
    for (const label of env.awaited) this.#awaited.add(label);
    return this.#md.renderer.render(tokens, this.#md.options, env);
  }

  // What has come to be defined, or named, changes the finished blocks that hold it; whether a slice is not enough.
  #nameAgain() {
    for (let count = 0; this.#fresh.size || this.#stale.size; count += 1) {
      if (count === SLICE.blocks) return true;
      for (const index of this.#known.naming(this.#fresh)) this.#stale.add(index);
      this.#fresh.clear();
      const [index] = this.#stale;
      if (!this.#stale.delete(index)) break;
      const { source } = this.#blocks[index];
      this.#show(index, source, this.#alone(source, index));
    }
    return false;
  }

  // Top-level blocks of a text, which may go on unless it is the last of a whole one: {source, render, open, unsure}; open:
  // whether it is a formula without an end; unsure: whether it may be read otherwise when it is known how it ends.
  #split(text) {
    const env = this.#known.scope({ awaiting: !this.#last, streaming: !this.#last });
    const lines = lineStarts(text);
    const blocks = [];
    let group = [];
    for (const token of this.#md.parse(text, env)) {
      group.push(token);
      if (token.level > 0 || token.nesting > 0) continue;
      const tokens = group;
      const [line] = tokens[0].map ?? [0];
      const render = () => this.#md.renderer.render(tokens, this.#md.options, env);
      blocks.push({ start: blocks.length ? lines[line] : 0, open: token.meta?.pending ?? false, unsure: env.unsure, render });
      group = [];
    }
    for (const [index, block] of blocks.entries()) block.source = text.slice(block.start, blocks[index + 1]?.start ?? text.length);
    return blocks;
  }

  #show(index, source, html) {
    const shown = this.#blocks[index];
    if (shown) shown.source = source;
    if (shown?.html === html) return;
    const content = prose(html);
    if (this.#media) showMedia(content, this.#media);
    slices.spend(content.querySelectorAll("*").length);
    const extras = upgrade(content, this.#element, this.#room(index));
    this.#extras += extras - (shown?.extras ?? 0);
    if (shown) {
      Object.assign(shown, { html, extras });
      morph(shown.element, content);
      return;
    }
    const element = document.createElement("div");
    element.className = "wc-block";
    element.append(content);
    this.#place(index, element);
    this.#blocks.push({ element, source, html, extras });
  }

  #place(index, element) {
    if (index > RUN && index % RUN) {
      this.#blocks[index - 1].element.after(element);
      return;
    }
    let outer = element;
    if (index >= RUN) {
      outer = document.createElement("div");
      outer.className = "wc-run";
      outer.append(element);
    }
    this.#element.insertBefore(outer, this.#note);
  }

  // How many pieces of code and formulas the block may have.
  #room(index) {
    if (this.#extras <= this.#most && index === this.#blocks.length) return this.#most - this.#extras;
    return this.#most - this.#blocks.slice(0, index).reduce((sum, { extras }) => sum + extras, 0);
  }

  // Says so where code and formulas stay as they were written because there are too many.
  #tellOfMany() {
    const many = this.#extras > this.#most;
    if (many === Boolean(this.#note)) return;
    this.#note?.remove();
    this.#note = many ? document.createElement("p") : null;
    if (!many) return;
    this.#note.className = "wc-many";
    this.#note.textContent = this.#t("transcript.many", { count: this.#most });
    this.#element.append(this.#note);
  }
}

const unixLines = (text) => text.replace(/\r\n?/g, "\n");

function lineStarts(text) {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}
