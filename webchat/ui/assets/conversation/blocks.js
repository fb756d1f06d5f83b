// A top-level block of a text on the page: a paragraph, a list, a table… A long one is drawn in parts, see `parts.js`.

import { morph } from "./morph.js";
import { byLevel } from "./parts.js";

export class Block {
  source = "";
  total = 0; // pieces of code and formulas
  #drawn = []; // parts: {key, html, left, extras, used, places}; left: how many elements are open behind it; places: {parent, first} by level, null where it has nothing
  #owners = new WeakMap(); // the part that an element belongs to, by its number

  constructor() {
    this.element = document.createElement("div");
    this.element.className = "wc-block";
  }

  /** How many pieces of code and formulas the parts before `end` have. */
  extras(end) {
    return this.#drawn.slice(0, end).reduce((sum, { extras }) => sum + extras, 0);
  }

  part(number) {
    return this.#drawn[number];
  }

  /** Draw a part; `content` is a fragment, `about` what is known of it: {key, html, left, extras, used}. */
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
  keep(end) {
    for (const { parent, first } of this.#drawn.slice(end).flatMap(({ places }) => places.filter(Boolean))) {
      while (first.parentNode === parent) parent.lastChild.remove();
    }
    this.#forget(end);
  }

  /** It is changed by others from now on. */
  changed() {
    for (const part of this.#drawn) Object.assign(part, { key: null, html: null });
  }

  #forget(end) {
    for (const { extras } of this.#drawn.splice(end)) this.total -= extras;
  }

  #add(number, fragments) {
    const parents = [this.element];
    while (parents.length < fragments.length) parents.push(parents.at(-1).lastElementChild);
    return fragments.map((fragment, level) => {
      const { firstChild: first } = fragment;
      if (!first) return null;
      for (const node of fragment.childNodes) this.#owners.set(node, number);
      const parent = parents[level];
      parent.append(fragment);
      return { parent, first };
    });
  }

  #change(number, place, fragment) {
    const { parent, first } = place;
    const before = first.previousSibling;
    const later = (node) => this.#owners.get(node) > number;
    morph(parent, fragment, first, later);
    place.first = before ? before.nextSibling : parent.firstChild;
    for (let node = place.first; node && !later(node); node = node.nextSibling) this.#owners.set(node, number);
  }
}
