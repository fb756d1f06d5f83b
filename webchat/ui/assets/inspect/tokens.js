// A prompt drawn token by token. All of it is on the page as text at once, in chunks the browser leaves out while they
// are far away; a chunk becomes tokens when it comes near, so tens of thousands open as fast as a few.

import { h } from "../dom.js";
import { t } from "../i18n.js";
import { roleClass, roleWords } from "./prompt.js";
import { inline, visible } from "./text.js";

/** @import { Part, Tokens as Sent } from "../types.js" */
/** @typedef {{ start: number, end: number, element: HTMLElement, made: boolean }} Chunk */

const CHUNK = { least: 256, most: 768 }; // tokens; it ends with a line where one ends between these
const NEAR = "900px";
const LINE = 26; // px, as the style sheet has it
const WIDE = 100; // characters of a line, to guess a chunk's height with

// scroller: what the view will stand in.
/** @param {Sent} tokens @param {Part[]} parts @param {HTMLElement} scroller */
export function tokensView(tokens, parts, scroller) {
  return new Tokens(tokens, parts, scroller).element;
}

class Tokens {
  #ids;
  #pieces;
  #role; // of each token
  /** @type {Chunk[]} */
  #chunks = [];
  #current = -1;
  /** @type {Element | null} */
  #shown = null;

  /** @param {Sent} tokens @param {Part[]} parts @param {HTMLElement} scroller */
  constructor({ ids, pieces }, parts, scroller) {
    this.#ids = ids;
    this.#pieces = pieces;
    this.#role = rolesOf(ids.length, parts);
    this.text = h("div", { class: "wc-tokens", tabindex: "0", role: "group", "aria-label": t("inspect.tokens_label", { count: ids.length }), "aria-describedby": "wc-tokens-hint" });
    this.tip = h("div", { class: "wc-token-tip", role: "status", hidden: true });
    this.element = h("div", {}, this.#overview(), this.text, this.tip);
    this.#lay(scroller);
    this.#listen();
  }

  // Counts by part, as a bar and in words.
  #overview() {
    const counts = new Map(["system", "user", "assistant", "template"].map((role) => [role, 0]));
    for (const role of this.#role) counts.set(role, (counts.get(role) ?? 0) + 1);
    const present = [...counts].filter(([, count]) => count);
    return h(
      "div",
      { class: "wc-token-overview" },
      h("div", { class: "wc-token-bar", "aria-hidden": "true" }, present.map(([role, count]) => h("span", { class: roleClass(role), style: `flex-grow:${count}` }))),
      h("ul", { class: "wc-token-legend" }, present.map(([role, count]) => h("li", { class: roleClass(role) }, roleWords(role), " ", h("b", {}, t("inspect.count", { count }))))),
      h("p", { class: "wc-token-hint", id: "wc-tokens-hint" }, t("inspect.tokens_hint")),
    );
  }

  /** @param {HTMLElement} scroller */
  #lay(scroller) {
    const { length } = this.#ids;
    const near = new IntersectionObserver((entries) => entries.forEach(({ isIntersecting, target }) => isIntersecting && this.#make(this.#chunks.find(({ element }) => element === target))), { root: scroller, rootMargin: NEAR });
    for (let start = 0; start < length; ) {
      let end = Math.min(length, start + CHUNK.least);
      while (end < length && end < start + CHUNK.most && !this.#pieces[end - 1].endsWith("\n")) end += 1;
      const text = this.#pieces.slice(start, end).join("");
      const lines = text.split("\n").reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / WIDE)), 0);
      const element = h("div", { class: "wc-token-chunk", "data-chunk": this.#chunks.length, style: `contain-intrinsic-block-size:auto ${lines * LINE}px` }, text);
      this.#chunks.push({ start, end, element, made: false });
      near.observe(element);
      start = end;
    }
    this.text.append(...this.#chunks.map(({ element }) => element));
  }

  /** @param {Chunk} [chunk] */
  #make(chunk) {
    if (!chunk || chunk.made) return;
    chunk.made = true;
    const made = [];
    for (let index = chunk.start; index < chunk.end; index += 1) {
      const piece = this.#pieces[index];
      const element = document.createElement("span");
      element.className = `${roleClass(this.#role[index])} ${index % 2 ? "wc-odd" : "wc-even"}${piece ? "" : " wc-part"}`;
      element.append(...visible(piece, { every: true }));
      made.push(element);
    }
    chunk.element.replaceChildren(...made);
  }

  #listen() {
    const { text } = this;
    text.addEventListener("pointerover", (event) => event.pointerType === "mouse" && this.#at(event, (index) => this.#tell(index)));
    text.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.#tell(this.#current));
    text.addEventListener("click", (event) => this.#at(event, (index) => this.#go(index)));
    text.addEventListener("keydown", (event) => {
      /** @type {Record<string, number>} */
      const steps = { ArrowRight: this.#current + 1, ArrowLeft: this.#current - 1, Home: 0, End: this.#ids.length - 1 };
      if (!(event.key in steps) || event.altKey || event.metaKey) return;
      event.preventDefault();
      this.#go(Math.max(0, Math.min(this.#ids.length - 1, steps[event.key])), true);
    });
    text.addEventListener("blur", () => this.#go(-1));
    // What is fixed beside a token must not stay where the token was.
    document.addEventListener("scroll", () => this.#place(), { capture: true, passive: true, signal: this.#untilGone() });
  }

  #untilGone() {
    const gone = new AbortController();
    new MutationObserver((_, observer) => {
      if (this.element.isConnected) return;
      observer.disconnect();
      gone.abort();
    }).observe(document.body, { childList: true });
    return gone.signal;
  }

  /** @param {Event} event @param {(index: number) => void} tell */
  #at(event, tell) {
    const element = /** @type {Element} */ (event.target).closest(".wc-token-chunk > span");
    const chunk = this.#chunks[Number(element?.parentElement?.dataset.chunk)];
    if (!element || !chunk) return;
    tell(chunk.start + [...chunk.element.children].indexOf(element));
  }

  /** @param {number} index */
  #elementOf(index) {
    const chunk = this.#chunks.find(({ end }) => index < end) ?? this.#chunks[this.#chunks.length - 1];
    this.#make(chunk);
    return chunk.element.children[index - chunk.start];
  }

  // The token chosen by a key or a tap; -1 for none.
  /** @param {number} index @param {boolean} [scroll] */
  #go(index, scroll = false) {
    if (this.#current >= 0) this.#elementOf(this.#current).classList.remove("wc-current");
    this.#current = index;
    if (index >= 0) {
      const element = this.#elementOf(index);
      element.classList.add("wc-current");
      if (scroll) element.scrollIntoView({ block: "nearest" });
    }
    this.#tell(index);
  }

  /** @param {number} index */
  #tell(index) {
    this.#shown = index < 0 ? null : this.#elementOf(index);
    this.tip.hidden = index < 0;
    if (index < 0) return;
    const piece = this.#pieces[index];
    this.tip.replaceChildren(
      h("code", {}, piece ? inline(piece) : t("inspect.token_part")),
      h("span", {}, t("inspect.token_id", { id: String(this.#ids[index]) })),
      h("span", {}, t("inspect.token_place", { index: index + 1, role: roleWords(this.#role[index]) })),
    );
    this.#place();
  }

  #place() {
    if (!this.#shown) return;
    const at = this.#shown.getClientRects()[0] ?? this.#shown.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.tip;
    const above = at.top - height - 6;
    this.tip.style.left = `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`;
    this.tip.style.top = `${above > 8 ? above : at.bottom + 6}px`;
  }
}

/** @param {number} length @param {Part[]} parts @returns {string[]} */
function rolesOf(length, parts) {
  const roles = new Array(length).fill("other");
  for (const { role, start, end } of parts) roles.fill(role, start, end);
  return roles;
}
