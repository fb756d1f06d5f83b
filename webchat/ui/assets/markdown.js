// Text to blocks to sanitised elements, for a text that may still be growing.
//
//   const view = markdownView(element, { t });
//   view.append("Hel"); view.append("lo"); view.finish();   // a reply that streams
//   view.set(text);                                        // a text that is whole
//
// A block (paragraph, list, table, code...) is finished once a later complete line has begun another one; then it is
// rendered for the last time and never touched again. Only what comes after is rendered at each frame, mended so
// that half-written markers do not flicker. The result does not depend on how the text was cut into pieces.

import { followNote, Known } from "./conversation/definitions.js";
import { MOST, upgrade } from "./conversation/extras.js";
import { GrowingCode, openCode } from "./conversation/growing.js";
import { mend } from "./conversation/mend.js";
import { parserFor } from "./conversation/parser.js";
import { prose } from "./conversation/sanitize.js";

const SHARE = 4; // a frame's rendering may take a fifth of the time: it pauses four times as long as it took

export function markdownView(element, { t, onRender = () => {} }) {
  return new MarkdownView(element, parserFor(t), onRender);
}

class MarkdownView {
  #element;
  #md;
  #onRender;
  #blocks = []; // {element, source, html, extras}; the first #finished of them are final
  #finished = 0;
  #extras = 0; // code and formulas in all blocks
  #known;
  #fresh = new Set(); // labels that something new is known of
  #awaited = new Set(); // labels of marks whose note may still come
  #text = "";
  #read = 0; // characters of it that are in the source
  #source = ""; // the text with line ends as the parser counts them
  #begun = 0; // where the first unfinished block begins in the source
  #looked = 0; // up to where complete lines have been looked at
  #streaming = true;
  #whole = false; // finish() was called, and nothing has come since
  #frame = 0;
  #timer = 0;
  #notBefore = 0;
  #growing = null; // {index, code}: the last block, while it is code without an end

  constructor(element, md, onRender) {
    this.#element = element;
    this.#md = md;
    this.#onRender = onRender;
    this.#known = new Known(md);
    element.addEventListener("click", (event) => followNote(element, event));
  }

  get text() {
    return this.#text;
  }

  append(piece) {
    if (this.#whole) this.#reset();
    this.#text += piece;
    this.#schedule();
  }

  /** Show a whole text, now. Blocks that it shares with what was shown stay as they are. */
  set(text) {
    if (this.#whole && text === this.#text) return;
    const source = unixLines(text);
    if (this.#whole || !source.startsWith(this.#source.slice(0, this.#begun))) this.#reset();
    this.#text = text;
    this.#source = source;
    this.#read = text.length;
    this.finish();
  }

  /** No more will come: render what is left, now. */
  finish() {
    this.#cancel();
    if (this.#whole) return;
    this.#streaming = false;
    this.#render();
    this.#streaming = true;
    this.#whole = true;
  }

  /** Render now what `append` has left for the next frame. */
  flush() {
    this.#cancel();
    this.#render();
  }

  destroy() {
    this.#cancel();
  }

  #reset() {
    this.#blocks.forEach((block) => block.element.remove());
    this.#blocks = [];
    this.#known = new Known(this.#md);
    this.#fresh.clear();
    this.#awaited.clear();
    this.#growing = null;
    this.#source = "";
    this.#read = this.#finished = this.#begun = this.#looked = this.#extras = 0;
    this.#whole = false;
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
        this.#render();
        this.#notBefore = performance.now() + Math.min(500, SHARE * (performance.now() - begun));
      });
    };
    if (wait > 0) this.#timer = setTimeout(paint, wait);
    else paint();
  }

  // A "\r" at the end may be the first half of a line end.
  #readOn() {
    const end = this.#text.length - (this.#streaming && this.#text.endsWith("\r") ? 1 : 0);
    this.#source += unixLines(this.#text.slice(this.#read, end));
    this.#read = end;
  }

  #render() {
    this.#readOn();
    if (this.#streaming && !openCode(this.#source.slice(this.#begun))) this.#finishBlocks();
    const open = this.#streaming ? openCode(this.#source.slice(this.#begun)) : null;
    if (open) {
      this.#grow(open);
      return;
    }
    this.#growing = null;
    const rest = this.#source.slice(this.#begun);
    const blocks = this.#split(this.#streaming ? mend(rest) : rest);
    this.#drop(this.#finished + blocks.length);
    if (this.#streaming) blocks.forEach((block, index) => this.#show(this.#finished + index, block));
    else {
      blocks.forEach((block) => this.#finish(block));
      this.#begun = this.#looked = this.#source.length;
      for (const label of this.#awaited) this.#fresh.add(label); // no note came for them
      this.#awaited.clear();
    }
    this.#nameAgain();
    this.#onRender();
  }

  // The blocks from `index` on.
  #drop(index) {
    for (const { element, extras } of this.#blocks.splice(index)) {
      element.remove();
      this.#extras -= extras;
    }
  }

  #grow({ fence, lang, code }) {
    const index = this.#finished;
    if (this.#growing?.index !== index) {
      const [{ source, html }] = this.#split(fence);
      this.#show(index, { source, html });
      this.#drop(index + 1);
      this.#blocks[index].html = null; // what it shows from now on is no longer what was rendered
      this.#growing = { index, code: new GrowingCode(this.#blocks[index].element.querySelector("code"), this.#element, lang) };
    }
    this.#growing.code.update(code);
    this.#onRender();
  }

  // Blocks that a later complete line has closed. A formula without an end may yet turn out to be text, and then
  // belongs to the paragraph before it.
  #finishBlocks() {
    const end = this.#source.lastIndexOf("\n") + 1;
    if (end <= this.#looked) return;
    this.#looked = end;
    const blocks = this.#split(this.#source.slice(this.#begun, end));
    const open = blocks.at(-1)?.open ? 2 : 1;
    for (const block of blocks.slice(0, -open)) {
      this.#finish(block);
      this.#begun += block.source.length;
    }
  }

  // The next block is final, and what it defines and names holds for all.
  #finish({ source, html, pending }) {
    const index = this.#finished;
    this.#finished += 1;
    if (source.includes("[")) this.#known.mention(source, index);
    this.#show(index, { source, html: pending || source.includes("[") ? this.#alone(source, index) : html });
  }

  // The HTML of a finished block, by what finished blocks define and name.
  #alone(source, index) {
    const env = this.#known.scope({ awaiting: this.#streaming, at: index });
    const tokens = this.#md.parse(source, env);
    for (const label of this.#known.learn(env, index)) this.#fresh.add(label);
    for (const label of env.awaited) this.#awaited.add(label);
    return this.#md.renderer.render(tokens, this.#md.options, env);
  }

  // What has come to be defined, or named, changes the finished blocks that hold it.
  #nameAgain() {
    while (this.#fresh.size) {
      const stale = this.#known.naming(this.#fresh);
      this.#fresh.clear();
      for (const index of stale) {
        const { source } = this.#blocks[index];
        this.#show(index, { source, html: this.#alone(source, index) });
      }
    }
  }

  /** Top-level blocks of a text: {start, source, html, pending: whether a formula in it has no end, open: whether it is one}. */
  #split(text) {
    const env = this.#known.scope({ awaiting: this.#streaming, streaming: this.#streaming });
    const lines = lineStarts(text);
    const blocks = [];
    let group = [];
    for (const token of this.#md.parse(text, env)) {
      group.push(token);
      if (token.level > 0 || token.nesting > 0) continue;
      const [line] = group[0].map ?? [0];
      blocks.push({ start: blocks.length ? lines[line] : 0, open: token.meta?.pending ?? false, pending: group.some(({ meta }) => meta?.pending), tokens: group });
      group = [];
    }
    for (const [index, block] of blocks.entries()) {
      block.source = text.slice(block.start, blocks[index + 1]?.start ?? text.length);
      block.html = this.#md.renderer.render(block.tokens, this.#md.options, env);
    }
    return blocks;
  }

  #show(index, { source, html }) {
    const shown = this.#blocks[index];
    if (shown) shown.source = source;
    if (shown?.html === html) return;
    const content = prose(html);
    const extras = upgrade(content, this.#element, MOST - this.#extras + (shown?.extras ?? 0));
    this.#extras += extras - (shown?.extras ?? 0);
    if (shown) {
      Object.assign(shown, { html, extras });
      morph(shown.element, content);
      return;
    }
    const element = document.createElement("div");
    element.className = "wc-block";
    element.append(content);
    this.#blocks.push({ element, source, html, extras });
    this.#element.append(element);
  }
}

const unixLines = (text) => text.replace(/\r\n?/g, "\n");

function lineStarts(text) {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** Make `shown` hold what `wanted` holds, keeping every node that is the same already. */
export function morph(shown, wanted) {
  let old = shown.firstChild;
  for (let next = wanted.firstChild; next; ) {
    const following = next.nextSibling;
    if (!old) {
      shown.append(next);
    } else if (old.nodeType === Node.TEXT_NODE && next.nodeType === Node.TEXT_NODE) {
      if (next.data.startsWith(old.data)) old.appendData(next.data.slice(old.data.length));
      else if (old.data !== next.data) old.data = next.data;
    } else if (!old.isEqualNode(next)) {
      if (awaitsColours(next, old)) {
        next.replaceChildren(...old.childNodes, next.textContent.slice(old.textContent.length)); // the old ones, until then
        old.replaceWith(next);
        old = next;
      } else if (old.nodeName === next.nodeName && old.nodeType === Node.ELEMENT_NODE && !old.classList.contains("wc-math")) {
        morphAttributes(old, next);
        morph(old, next);
      } else {
        const replaced = old;
        old = next;
        replaced.replaceWith(next);
      }
    }
    old = old?.nextSibling ?? null;
    next = following;
  }
  while (old) {
    const following = old.nextSibling;
    old.remove();
    old = following;
  }
}

// Code that is coloured already, and goes on as code whose colours are still to come.
function awaitsColours(code, before) {
  if (code.nodeName !== "CODE" || before.nodeName !== "CODE" || code.classList.contains("wc-done")) return false;
  return before.firstElementChild && code.textContent.startsWith(before.textContent);
}

function morphAttributes(old, next) {
  const names = ({ attributes }) => [...attributes].map(({ name }) => name).join(" ");
  if (names(old) !== names(next)) for (const { name } of [...old.attributes]) old.removeAttribute(name); // their order is seen in what is copied
  for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
}
