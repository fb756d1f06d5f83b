// A top-level block of a text on the page: a paragraph, a list, a table… A long one is drawn in parts, see `parts.js`.

import { morph } from "./morph.js";
import { byLevel } from "./parts.js";

/** @import { Part } from "./parts.js" */
/** @typedef {{ parent: Element, first: ChildNode | null }} Place */
/** @typedef {{ key: string | null, html: string | null, left: number, extras: number, used: string[] }} About what is known of a part; left: how many elements are open behind it */

export class Block {
  source = "";
  total = 0; // pieces of code and formulas
  /** @type {(About & { places: (Place | null)[] })[]} places: by level, null where it has nothing */
  #drawn = [];
  /** @type {WeakMap<Node, number>} */
  #owners = new WeakMap(); // the part that an element belongs to, by its number

  constructor() {
    this.element = document.createElement("div");
    this.element.className = "wc-block";
  }

  /** How many pieces of code and formulas the parts before `end` have. */
  /** @param {number} [end] */
  extras(end) {
    return this.#drawn.slice(0, end).reduce((sum, { extras }) => sum + extras, 0);
  }

  /** @param {number} number @returns {(About & { places: (Place | null)[] }) | undefined} */
  part(number) {
    return this.#drawn[number];
  }

  /** Draw a part; `content` is a fragment, `about` what is known of it: {key, html, left, extras, used}. */
  /** @param {number} number @param {Part} part @param {DocumentFragment} content @param {About} about */
  draw(number, part, content, about) {
    const fragments = byLevel(content, part);
    const shown = this.#drawn[number];
    if (shown && fragments.every((fragment, level) => Boolean(fragment.firstChild) === Boolean(shown.places[level])) && shown.places.length === fragments.length) {
      shown.places.forEach((place, level) => place && this.#change(number, place, fragments[level]));
      this.total += about.extras - shown.extras;
      Object.assign(shown, about);
      const next = this.#drawn[number + 1];
      if (next?.places.some((place) => place && !this.element.contains(place.first))) this.#forget(number + 1);
      return;
    }
    this.keep(number);
    this.#drawn[number] = { ...about, places: this.#add(number, fragments) };
    this.total += about.extras;
  }

  /** Let the parts from `end` on vanish. */
  /** @param {number} end */
  keep(end) {
    for (const { parent, first } of this.#drawn.slice(end).flatMap(({ places }) => places.filter((place) => place !== null))) {
      while (first?.parentNode === parent) parent.lastChild?.remove();
    }
    this.#forget(end);
  }

  /** It is changed by others from now on. */
  changed() {
    for (const part of this.#drawn) Object.assign(part, { key: null, html: null });
  }

  /** @param {number} end */
  #forget(end) {
    for (const { extras } of this.#drawn.splice(end)) this.total -= extras;
  }

  /** @param {number} number @param {DocumentFragment[]} fragments */
  #add(number, fragments) {
    /** @type {Element[]} */
    const parents = [this.element];
    while (parents.length < fragments.length) parents.push(/** @type {Element} */ (parents[parents.length - 1].lastElementChild));
    return fragments.map((fragment, level) => {
      const { firstChild: first } = fragment;
      if (!first) return null;
      for (const node of fragment.childNodes) this.#owners.set(node, number);
      const parent = parents[level];
      parent.append(fragment);
      return { parent, first };
    });
  }

  /** @param {number} number @param {Place} place @param {DocumentFragment} fragment */
  #change(number, place, fragment) {
    const { parent, first } = place;
    const before = first?.previousSibling;
    /** @param {Node} node */
    const later = (node) => (this.#owners.get(node) ?? -1) > number;
    morph(parent, fragment, first, later);
    place.first = before ? before.nextSibling : parent.firstChild;
    for (let node = place.first; node && !later(node); node = node.nextSibling) this.#owners.set(node, number);
  }
}
