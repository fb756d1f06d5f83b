// Text to blocks to sanitised elements, for a text that may still be growing.
//
//   const view = markdownView(element, { t });
//   view.append("Hel"); view.append("lo"); view.finish();   // a reply that streams
//   view.set(text);                                        // a text that is whole
//
// A block (paragraph, list, table, code...) is finished once a later complete line has begun another one; then it is
// rendered for the last time and never touched again. Only what comes after is rendered at each frame, mended so
// that half-written markers do not flicker. The result does not depend on how the text was cut into pieces, so a long
// text is drawn as one that comes in pieces, some blocks between two frames, and a long block in parts.

import { Block } from "./conversation/blocks.js";
import { Definitions, followNote } from "./conversation/definitions.js";
import { noteUnfolding } from "./conversation/details.js";
import { partRunsLeft } from "./conversation/direction.js";
import { MOST, upgrade } from "./conversation/extras.js";
import { GrowingCode, openCode } from "./conversation/growing.js";
import { nameBroken, showMedia } from "./conversation/media.js";
import { mend } from "./conversation/mend.js";
import { parserFor } from "./conversation/parser.js";
import { alone, keyOf, partsOf, SIZE } from "./conversation/parts.js";
import { readBlocks, readTopLevel, readWords } from "./conversation/reading.js";
import { prose } from "./conversation/sanitize.js";
import { slices } from "./conversation/slices.js";
import { h, the } from "./dom.js";

/** @import { Env } from "./conversation/markdown.js" */
/** @import { Part } from "./conversation/parts.js" */
/** @import { TopBlock } from "./conversation/reading.js" */
/** @import { Translate } from "./types.js" */
/** @typedef {{ t: Translate, most?: number, media?: ((name: string) => string) | null, size?: number }} Options */
/** @typedef {{ index: number, source: string, env: Env, alone: boolean, parts: Part[], drawn: number }} Work a block to be drawn, so many parts of it already */
/** @typedef {Pick<TopBlock, "source" | "tokens" | "env"> & { alone?: boolean, unsure?: boolean }} Source */

const REACH = 6000; // characters that are read at once: with a single longer block, more
const FEW = { always: 8, roomy: 16 }; // short blocks that are drawn at once even if the task has had its time
const RUN = 100; // blocks: from as many on they stand in runs, which are not laid out where nobody sees them
const SHARE = 4; // a frame's rendering may take a fifth of the time: it pauses four times as long as it took

/** most: how many pieces of code and formulas are coloured and set. media: the address of a picture or sound by its name.
 *  size: see `partsOf`. */
/** @param {HTMLElement} element @param {Options} options */
export function markdownView(element, { t, most = MOST, media = null, size = SIZE }) {
  return new MarkdownView(element, t, most, media, size);
}

class MarkdownView {
  #element;
  #t;
  #md;
  #most;
  #media;
  #size;
  /** @type {Block[]} */
  #blocks = []; // the first #finished of them are final
  /** @type {(Work | { index: number, block: Source, parts?: undefined })[]} */
  #final = []; // works (see `#work`) on finished blocks, still to be drawn
  /** @type {{ source: string, works: Work[] } | null} */
  #draft = null; // {source, works} on what is not finished
  #finished = 0;
  #extras = 0; // code and formulas in all blocks
  #definitions;
  /** @type {Set<string>} */
  #fresh = new Set(); // labels that something new is known of
  /** @type {Set<string>} */
  #awaited = new Set(); // labels of marks whose note may still come
  /** @type {Set<number>} */
  #stale = new Set(); // indices of finished blocks that such labels change
  #text = "";
  #read = 0; // characters of it that are in the source
  #source = ""; // the text with line ends as the parser counts them
  #begun = 0; // where the first unfinished block begins in the source
  #looked = 0; // up to where complete lines have been looked at
  #reach = REACH; // how far it is read next
  #whole = false; // finish() was called, and nothing has come since
  #last = false; // the end of a whole text is drawn
  #frame = 0;
  #timer = 0;
  #notBefore = 0;
  /** @type {{ index: number, code: GrowingCode } | null} */
  #growing = null; // {index, code}: the last block, while it is code without an end
  /** @type {HTMLElement | null} */
  #note = null; // that there are too many of them

  /** @param {HTMLElement} element @param {Translate} t @param {number} most @param {((name: string) => string) | null} media @param {number} size */
  constructor(element, t, most, media, size) {
    this.#element = element;
    this.#t = t;
    this.#md = parserFor(t);
    this.#most = most;
    this.#media = media;
    this.#size = size;
    if (media) element.addEventListener("error", nameBroken, true);
    this.#definitions = new Definitions(this.#md);
    element.addEventListener("click", (event) => {
      followNote(element, event);
      noteUnfolding(event);
    });
  }

  get text() {
    return this.#text;
  }

  /** @param {string} piece */
  append(piece) {
    if (this.#whole) this.#reset();
    this.#text += piece;
    this.#schedule();
  }

  /** Show a whole text, its beginning now, unless others were shown in this task. Blocks that it shares with what was shown
   *  stay as they are. */
  /** @param {string} text */
  set(text) {
    if (this.#whole && text === this.#text) return;
    const source = unixLines(text);
    if (this.#whole || !source.startsWith(this.#source.slice(0, this.#begun))) this.#reset();
    this.#text = text;
    this.#source = source;
    this.#read = text.length;
    this.#end(slices.lead());
  }

  /** No more will come: draw what is left. */
  finish() {
    this.#end(true);
  }

  /** Draw now what `append` has left for the next frame. */
  flush() {
    this.#cancel();
    this.#draw(true);
  }

  destroy() {
    this.#cancel();
    slices.delete(this.#element);
  }

  /** @param {boolean} now */
  #end(now) {
    this.#cancel();
    if (this.#whole) return;
    this.#whole = true;
    this.#draw(now);
  }

  #reset() {
    slices.delete(this.#element);
    this.#drop(0);
    this.#final = [];
    this.#draft = null;
    this.#definitions = new Definitions(this.#md);
    for (const labels of [this.#fresh, this.#awaited, this.#stale]) labels.clear();
    this.#growing = null;
    this.#source = "";
    this.#read = this.#finished = this.#begun = this.#looked = this.#extras = 0;
    this.#reach = REACH;
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
        this.#draw(true);
        this.#notBefore = performance.now() + Math.min(500, SHARE * (performance.now() - begun));
      });
    };
    if (wait > 0) this.#timer = setTimeout(paint, wait);
    else paint();
  }

  // Draw as much as this task has time for, and the rest in later ones.
  /** @param {boolean} now */
  #draw(now) {
    slices.begin();
    let more = true;
    /** @param {number} count */
    const few = (count) => now && !this.#long && count < (slices.roomy ? FEW.roomy : FEW.always);
    for (let count = 0; more && (slices.free || few(count)); count += 1) more = this.#drawSome();
    if (more) slices.first(this.#element, () => this.#drawSome());
  }

  // Whether what is read or drawn next belongs to a long block.
  get #long() {
    const work = this.#final[0] ?? this.#draft?.works[0];
    return work ? (work.parts?.length ?? 0) > 1 : this.#reach > REACH;
  }

  // Draw a block, or a part of one. Gives whether anything is left.
  #drawSome() {
    if (this.#final.length) {
      this.#drawFinal();
      return true;
    }
    this.#readOn();
    const open = this.#whole ? null : openCode(this.#source.slice(this.#begun));
    if (open) this.#grow(open);
    else if (this.#finishBlocks() || this.#drawEnd()) return true;
    this.#tellOfMany();
    return this.#nameAgain();
  }

  // A "\r" at the end may be the first half of a line end.
  #readOn() {
    const end = this.#text.length - (!this.#whole && this.#text.endsWith("\r") ? 1 : 0);
    this.#source += unixLines(this.#text.slice(this.#read, end));
    this.#read = end;
  }

  // What no later line has closed yet. Gives whether anything of it is left.
  #drawEnd() {
    this.#last = this.#whole;
    const rest = this.#source.slice(this.#begun);
    if (this.#last) {
      const blocks = this.#split(rest);
      this.#drop(this.#finished + blocks.length);
      this.#finish(blocks);
      this.#begun = this.#looked = this.#source.length;
      for (const label of this.#awaited) this.#fresh.add(label); // no note came for them
      this.#awaited.clear();
      return blocks.length > 0;
    }
    const open = openCode(rest);
    if (open) this.#grow(open);
    else return this.#drawDraft(rest);
    return false;
  }

  /** @param {string} rest */
  #drawDraft(rest) {
    this.#growing = null;
    if (this.#draft?.source !== rest) this.#draft = { source: rest, works: this.#draftOf(mend(rest)) };
    const { works } = this.#draft;
    for (let first = true; works.length && (first || works[0].parts.length === 1); first = false) {
      if (!this.#drawPart(works[0])) works.shift();
    }
    return works.length > 0;
  }

  // What is short is read first: whether a note is named shows in the text beside it.
  /** @param {string} text */
  #draftOf(text) {
    const works = this.#split(text).map((block, at) => this.#work(this.#finished + at, block));
    this.#drop(this.#finished + works.length);
    for (const { parts, env } of works) if (parts.length === 1) this.#readPart(parts[0], env);
    return works;
  }

  // The blocks from `index` on.
  /** @param {number} index */
  #drop(index) {
    for (const block of this.#blocks.splice(index)) {
      const { parentNode: outer } = block.element;
      block.element.remove();
      if (outer instanceof Element && outer !== this.#element && !outer.firstChild) outer.remove();
      this.#extras -= block.total;
    }
  }

  /** @param {{ fence: string, lang: string, code: string }} open */
  #grow({ fence, lang, code }) {
    const index = this.#finished;
    if (this.#growing?.index !== index) {
      const [block] = this.#split(fence);
      this.#drawPart(this.#work(index, block));
      this.#drop(index + 1);
      this.#blocks[index].changed();
      this.#draft = null;
      this.#growing = { index, code: new GrowingCode(the("code", this.#blocks[index].element), this.#element, lang) };
    }
    this.#growing?.code.update(code);
  }

  // Finish blocks that a later complete line has closed, as far as it is read at once; whether that is not all. What the
  // end of a whole text closes needs no line.
  #finishBlocks() {
    const from = this.#begun;
    const cut = from + this.#reach < this.#source.length;
    if (this.#whole && !cut) return false;
    const end = this.#source.lastIndexOf("\n", cut ? from + this.#reach - 1 : undefined) + 1;
    if (end > this.#looked) this.#finishUpTo(end);
    this.#reach = cut && this.#begun === from ? 2 * this.#reach : REACH;
    return cut || this.#final.length > 0;
  }

  // A formula without an end may yet turn out to be text, and then belongs to the paragraph before it.
  /** @param {number} end */
  #finishUpTo(end) {
    const blocks = this.#split(this.#source.slice(this.#begun, end));
    const closed = blocks.slice(0, blocks.at(-1)?.open ? -2 : -1);
    this.#finish(closed);
    for (const { source } of closed) this.#begun += source.length;
    this.#looked = end;
  }

  // The next blocks are final.
  /** @param {Source[]} blocks */
  #finish(blocks) {
    for (const block of blocks) {
      this.#final.push({ index: this.#finished, block });
      this.#finished += 1;
    }
  }

  // What a finished block defines and names holds for all.
  #drawFinal() {
    const [next] = this.#final;
    const work = next.parts ? next : this.#begin(next.index, next.block);
    this.#final[0] = work;
    if (this.#drawPart(work)) return;
    this.#final.shift();
    this.#draft = null;
    if (!work.alone) return;
    for (const label of this.#definitions.learn(work.env, work.index)) this.#fresh.add(label);
    for (const label of work.env.awaited) this.#awaited.add(label);
  }

  /** @param {number} index @param {Source} block */
  #begin(index, block) {
    const linked = block.source.includes("[");
    if (linked) this.#definitions.mention(block.source, index);
    return this.#work(index, linked || block.unsure ? this.#alone(block.source, index) : block);
  }

  // A finished block, by what finished blocks define and name.
  /** @param {string} source @param {number} index */
  #alone(source, index) {
    const env = this.#definitions.scope({ awaiting: !this.#last, at: index });
    return { source, tokens: readBlocks(this.#md, source, env), env, alone: true };
  }

  // What has come to be defined, or named, changes the finished blocks that hold it; whether there is any.
  #nameAgain() {
    for (const index of this.#definitions.naming(this.#fresh)) this.#stale.add(index);
    this.#fresh.clear();
    const [index] = this.#stale;
    if (!this.#stale.delete(index)) return false;
    const { source } = this.#blocks[index];
    this.#final.push(this.#work(index, this.#alone(source, index)));
    return true;
  }

  // Top-level blocks of a text, which may go on unless it is the last of a whole one.
  /** @param {string} text */
  #split(text) {
    return readTopLevel(this.#md, text, this.#definitions.scope({ awaiting: !this.#last, streaming: !this.#last }));
  }

  // A block to be drawn as the one of that index, so many parts of it already.
  /** @param {number} index @param {Source} block @returns {Work} */
  #work(index, { source, tokens, env, alone = false }) {
    return { index, source, env, alone, parts: partsOf(tokens, this.#size), drawn: 0 };
  }

  // Draw the next part of a block; whether there are more.
  /** @param {Work} work */
  #drawPart(work) {
    const { index, source, env, parts } = work;
    const block = (this.#blocks[index] ??= this.#place(index, new Block()));
    const number = work.drawn;
    const part = parts[number];
    const key = parts.length > 1 ? this.#keyOf(part, work) : null;
    const shown = block.part(number);
    block.source = source;
    work.drawn += 1;
    if (key !== null && shown?.key === key) for (const label of shown.used) env.used.add(label);
    else this.#drawAnew(block, number, part, work, key);
    if (work.drawn < parts.length) return true;
    const before = block.total;
    block.keep(parts.length);
    this.#extras += block.total - before;
    return false;
  }

  /** @param {Block} block @param {number} number @param {Part} part @param {Work} work @param {string | null} key */
  #drawAnew(block, number, part, { index, env }, key) {
    const used = this.#readPart(part, env);
    const html = this.#md.renderer.render(alone(part), this.#md.options, env);
    const shown = block.part(number);
    if (shown?.html === html && shown.left === part.after.length) {
      Object.assign(shown, { key, used });
      return;
    }
    const content = prose(html);
    if (this.#media) showMedia(content, this.#media);
    slices.spend(content.querySelectorAll("*").length);
    const before = block.total;
    const extras = upgrade(content, this.#element, this.#room(index, number));
    block.draw(number, part, content, { key, html, left: part.after.length, extras, used });
    this.#extras += block.total - before;
  }

  // Read the words of a part, once; the labels that it is the first to name.
  /** @param {Part} part @param {Env} env @returns {string[]} */
  #readPart(part, env) {
    if (part.used) return part.used;
    const { size } = env.used.own;
    this.#definitions.reads(env);
    readWords(this.#md, alone(part), env);
    return (part.used = [...env.used.own].slice(size));
  }

  // What a part depends on; null where it names what may have become known meanwhile.
  /** @param {Part} part @param {Work} work */
  #keyOf(part, { env, alone }) {
    const runs = part.after.filter((open) => !part.before.includes(open)).map((open) => partRunsLeft({ md: this.#md, env }, open));
    const key = `${runs} ${keyOf(part)}`;
    if (!part.tokens.some(({ content }) => content.includes("["))) return key;
    return alone ? null : `${this.#definitions.version} ${JSON.stringify([env.awaiting, Object.keys(env.references), env.notes])} ${key}`;
  }

  /** @param {number} index @param {Block} block */
  #place(index, block) {
    const { element } = block;
    if (index > RUN && index % RUN) {
      this.#blocks[index - 1].element.after(element);
      return block;
    }
    let outer = element;
    if (index >= RUN) {
      outer = document.createElement("div");
      outer.className = "wc-run";
      outer.append(element);
    }
    this.#element.insertBefore(outer, this.#note);
    return block;
  }

  // How many pieces of code and formulas a part may have.
  /** @param {number} index @param {number} number */
  #room(index, number) {
    const block = this.#blocks[index];
    const before = block.extras(number);
    if (this.#extras <= this.#most && index === this.#blocks.length - 1) return this.#most - this.#extras + block.total - before;
    return this.#extras ? this.#most - before - this.#blocks.slice(0, index).reduce((sum, { total }) => sum + total, 0) : this.#most;
  }

  // Says so where code and formulas stay as they were written because there are too many.
  #tellOfMany() {
    const many = this.#extras > this.#most;
    if (many === Boolean(this.#note)) return;
    this.#note?.remove();
    this.#note = many ? h("p", { class: "wc-many" }, this.#t("transcript.many", { count: this.#most })) : null;
    if (this.#note) this.#element.append(this.#note);
  }
}

/** @param {string} text */
const unixLines = (text) => text.replace(/\r\n?/g, "\n");
