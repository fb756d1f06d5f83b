// Highlighted code and typeset formulas, whose libraries are loaded when first needed. Until then, or when they
// cannot be loaded, the source stands in their place.

import { code as cleanCode, math as cleanMath } from "./sanitize.js";

const MAX_CODE = 60_000;
const MAX_LINE = 1000; // in a longer line the highlighter may look again from each character
const MAX_TEX = 8_000;
const CACHE = 300;

const here = (path) => new URL(`../vendor/${path}`, import.meta.url).href;

class Library {
  #load;
  #loading = null;
  #waiting = new Set();
  value = null;

  constructor(load) {
    this.#load = load;
  }

  /** Resolves when what was needed so far has come, or cannot. */
  get settled() {
    return this.#loading;
  }

  /** Start loading; what is in `place` by then is upgraded. A failure is tried again at the next need. */
  need(place) {
    this.#waiting.add(place);
    this.#loading ??= this.#load()
      .then((value) => {
        this.value = value;
        this.#waiting.forEach((waiting) => upgrade(waiting, waiting));
        this.#waiting.clear();
      })
      .catch(() => (this.#loading = null));
  }
}

const highlighter = new Library(async () => (await import(here("highlight/highlight.js"))).default);

const katex = new Library(async () => {
  const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href: here("katex/katex.css") });
  const styled = new Promise((resolve) => Object.assign(sheet, { onload: resolve, onerror: resolve }));
  document.head.append(sheet);
  await Promise.all([import(here("katex/katex.js")), styled]);
  return globalThis.katex;
});

/** Resolves when all code and formulas on the page are set, as far as they can be. */
export function settled() {
  return Promise.all([highlighter.settled, katex.settled]);
}

const pieces = new Map(); // what was made already, by its source; oldest out first

function cached(key, make) {
  let piece = pieces.get(key);
  if (!piece) {
    piece = make();
    pieces.set(key, piece);
    if (pieces.size > CACHE) pieces.delete(pieces.keys().next().value);
  }
  return piece.cloneNode(true);
}

const tooLong = (source) => source.length > MAX_CODE || source.split("\n").some((line) => line.length > MAX_LINE);

/** Highlight the code and typeset the formulas below `root`; if their library is still to come, then later in
 *  what is below `place` at that time. */
export function upgrade(root, place) {
  each(root, place, "code[data-lang]:not(.wc-done)", highlighter, highlight);
  each(root, place, ".wc-math:not(.wc-done)", katex, typeset);
}

function each(root, place, selector, library, work) {
  const found = [...root.querySelectorAll(selector)].filter((element) => element.dataset.lang !== "");
  if (!found.length) return;
  if (library.value) found.forEach((element) => work(element, library.value));
  else library.need(place);
}

/** Code as coloured elements; null when its language is not known, or not yet: then `place` is upgraded later. */
export function highlighted(source, lang, place) {
  if (!lang) return null;
  if (!highlighter.value) highlighter.need(place);
  const hljs = highlighter.value;
  if (!hljs?.getLanguage(lang) || tooLong(source)) return null;
  return cleanCode(hljs.highlight(source, { language: lang, ignoreIllegals: true }).value);
}

function highlight(element, hljs) {
  const { lang } = element.dataset;
  const source = element.textContent;
  if (element.classList.contains("wc-done") || !hljs.getLanguage(lang) || tooLong(source)) return;
  const make = () => cleanCode(hljs.highlight(source, { language: lang, ignoreIllegals: true }).value);
  element.replaceChildren(source.length > 4000 ? make() : cached(`code ${lang} ${source}`, make));
  element.classList.add("wc-done");
}

function typeset(element, { renderToString }) {
  const tex = element.textContent;
  if (element.classList.contains("wc-done") || tex.length > MAX_TEX) return;
  const displayMode = element.classList.contains("wc-math-display");
  element.classList.add("wc-done");
  try {
    const options = { displayMode, trust: false, strict: "ignore", maxSize: 20, maxExpand: 500, throwOnError: true };
    element.replaceChildren(cached(`math ${displayMode} ${tex}`, () => cleanMath(renderToString(tex, options))));
  } catch (error) {
    element.classList.add("wc-math-error");
    element.title = error.message;
  }
}
