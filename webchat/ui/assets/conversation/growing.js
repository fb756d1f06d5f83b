// Code that is still being written. A long block would cost more with every word if it were drawn anew each time, so
// what is far enough back is highlighted once and left alone; the whole is drawn again when its fence closes.

import { coloured, forget, highlighted } from "./extras.js";
import { Fence } from "./fences.js";

const TAIL = 600; // characters at the end that may still change their colours
const STEP = 1200; // characters at most that are drawn at once
const STEPS = 8; // in one update: what is beyond them waits for the next

/** The fenced code a text begins with when its end has not come yet: {fence, lang, code}, or null. */
/** @param {string} text */
export function openCode(text) {
  const begun = /^(`{3,}|~{3,})([ \t]*([\w+#.-]{0,30})[^\n`]*)\n/.exec(text);
  if (!begun) return null;
  const [fence, mark, info, lang = ""] = begun;
  const code = text.slice(fence.length);
  if (ended(code, new Fence(mark, info))) return null;
  const last = code.lastIndexOf("\n") + 1;
  const closing = new RegExp(`^ {0,3}\\${mark[0]}+$`).test(code.slice(last)); // the beginning of the end, perhaps
  return { fence, lang: lang.toLowerCase(), code: closing ? code.slice(0, last) : code };
}

/** @param {string} code @param {Fence} block */
function ended(code, block) {
  let plain = false;
  for (const [line] of code.matchAll(/^ {0,3}(?:`{3,}|~{3,}).*$/gm)) {
    const does = block.read(line);
    plain ||= does === "closed";
    if (does === "closes" || (plain && !block.even)) return true;
  }
  return false;
}

export class GrowingCode {
  #element;
  #place;
  #lang;
  #kept = 0; // characters that are drawn for good
  #keptNodes = 0;
  /** @type {Text | null} */
  #plain = null; // one text node, for a language that is not known, or not yet

  /** element: the `code` to write into. place: what is upgraded once the highlighter is there. */
  /** @param {HTMLElement} element @param {HTMLElement} place @param {string} lang */
  constructor(element, place, lang) {
    this.#element = element;
    this.#place = place;
    this.#lang = lang;
    forget(element);
    element.classList.add("wc-done"); // nobody else is to colour it meanwhile
  }

  /** @param {string} code */
  update(code) {
    if (!coloured(this.#lang, this.#place)) {
      this.#write(code);
      return;
    }
    this.#plain = null;
    for (let step = 0; step < STEPS; step += 1) {
      const end = this.#boundary(code);
      if (end === this.#kept) break;
      const done = highlighted(code.slice(this.#kept, end), this.#lang);
      if (!done) break;
      this.#replaceTail(done);
      this.#kept = end;
      this.#keptNodes = this.#element.childNodes.length;
    }
    const tail = code.slice(this.#kept);
    this.#replaceTail(highlighted(tail, this.#lang) ?? tail);
  }

  /** @param {string} code */
  #write(code) {
    const plain = (this.#plain ??= document.createTextNode(""));
    if (plain.parentNode !== this.#element) this.#element.replaceChildren(plain);
    if (code.startsWith(plain.data)) plain.appendData(code.slice(plain.length));
    else plain.data = code;
  }

  /** @param {Node | string} content */
  #replaceTail(content) {
    const nodes = this.#element.childNodes;
    while (nodes.length > this.#keptNodes) nodes[nodes.length - 1].remove();
    this.#element.append(content);
  }

  // Up to where it is kept: the last line before the tail that stands at the margin, where most things begin.
  /** @param {string} code */
  #boundary(code) {
    if (code.length - this.#kept < 2 * TAIL) return this.#kept;
    const settled = code.slice(this.#kept, Math.min(this.#kept + STEP, code.length - TAIL));
    const margins = [...settled.matchAll(/\n(?=[^\s})\]])/g)];
    const at = margins.at(-1)?.index ?? settled.lastIndexOf("\n");
    return this.#kept + at + 1;
  }
}
