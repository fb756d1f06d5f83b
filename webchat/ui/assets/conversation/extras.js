// Highlighted code and typeset formulas, whose libraries are loaded when first needed. What is short is made at once,
// while the task has time for it, everything else in a worker that the page never waits for; what is made enters the
// page in slices. Until then, or when it cannot be made in time, the source stands in its place.

import { Bench } from "./bench.js";
import { LOAD, make } from "./making.js";
import { code as cleanCode, math as cleanMath } from "./sanitize.js";
import { slices } from "./slices.js";

/** @import { Made, Request } from "./making.js" */
/** @typedef {"code" | "math"} Kind */
/** @typedef {{ content: DocumentFragment | null, nodes: number, error?: string }} Piece */

const SHORT = { code: 1500, math: 300 }; // characters: even the worst of them hold the page for less than a frame or two
const LONGEST = { code: 60_000, math: 8000 };
export const MOST = 2000; // pieces of one text: a browser takes long to lay out thousands of formulas
const KEPT = 300_000; // characters whose pieces are kept
const BATCH = 200; // milliseconds between what comes from the worker while it has more to do
const STRIKES = 3; // pieces of one text that took too long: no more of it is tried
const MACRO = /\\(?:[egx]?def|(?:future)?let|(?:re)?new(?:command|environment)|providecommand)/; // may double again and again

const CLEAN = { code: cleanCode, math: cleanMath };
const FOUND = { code: "code[data-lang]:not(.wc-done, [data-lang=''])", math: ".wc-math:not(.wc-done)" };

const sheet = () =>
  new Promise((/** @type {(event: Event | string) => void} */ resolve) => {
    const href = new URL("../vendor/katex/katex.css", import.meta.url).href;
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href, onload: resolve, onerror: resolve }));
  });

class Library {
  #load;
  /** @type {Promise<unknown> | null} */
  #loading = null;
  /** @type {Set<Element>} */
  #waiting = new Set();
  /** @type {any} */
  value = null;

  /** @param {() => Promise<unknown>} load */
  constructor(load) {
    this.#load = load;
  }

  /** Resolves when what was needed so far has come, or cannot. */
  get settled() {
    return this.#loading;
  }

  /** Start loading; what is in `place` by then is upgraded. A failure is tried again at the next need. */
  /** @param {Element} place */
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

const libraries = {
  code: new Library(LOAD.code),
  math: new Library(async () => (await Promise.all([LOAD.math(), sheet()]))[0]),
};
const bench = new Bench();

/** Resolves when all texts on the page are drawn, and their code and formulas set, as far as they can be. */
export async function settled() {
  do {
    await slices.idle;
    await Promise.all(Object.values(libraries).map((library) => library.settled));
    await bench.idle;
    placeArrived();
  } while (slices.busy || bench.busy);
}

/** Highlight the code and typeset the formulas below `root`, a part of `place` or soon to be, `room` of them at most;
 *  what is still to come then comes later. Gives how many there are, those beyond `room` included. */
/** @param {ParentNode} root @param {Element} place @param {number} [room] */
export function upgrade(root, place, room = MOST) {
  let count = 0;
  for (const kind of /** @type {const} */ (["code", "math"])) {
    const found = [...root.querySelectorAll(FOUND[kind])];
    const fitting = found.slice(0, Math.max(0, room - count));
    count += found.length;
    if (!fitting.length) continue;
    if (!libraries[kind].value) libraries[kind].need(place);
    else for (const element of fitting) fill(element, kind, place);
  }
  return count;
}

/** Whether code in `lang` can be coloured; if that is not known yet, `place` is upgraded later. */
/** @param {string} lang @param {Element} place */
export function coloured(lang, place) {
  if (!lang) return false;
  if (!libraries.code.value) libraries.code.need(place);
  return Boolean(libraries.code.value?.getLanguage(lang));
}

/** Code as coloured elements, now; null when that could take too long. */
/** @param {string} source @param {string} how */
export function highlighted(source, how) {
  const request = { kind: /** @type {const} */ ("code"), source, how };
  return source.length <= SHORT.code ? fragment(request, here(request)) : null;
}

/** @type {WeakMap<Element, number>} */
const struck = new WeakMap(); // how many pieces of a text took too long
/** @type {WeakMap<Node, string | undefined>} */
const asked = new WeakMap(); // kind, manner and source by element

/** Whether two elements show the same code or formula, set or still to be. */
/** @param {Node} one @param {Node} other */
export const alike = (one, other) => asked.has(one) && asked.get(one) === asked.get(other);

/** An element shows from now on what somebody else writes into it. */
/** @param {Node} element */
export const forget = (element) => asked.delete(element);

/** An element comes to show what another was made for. */
/** @param {Node} element @param {Node} other */
export function becomes(element, other) {
  if (asked.has(other)) asked.set(element, asked.get(other));
  else asked.delete(element);
}

/** Whether an element is code or a formula that is still to be set. */
/** @param {Node} element @returns {element is Element} */
export const awaited = (element) => element instanceof Element && asked.has(element) && !element.classList.contains("wc-done");

/** @param {HTMLElement} element @param {Kind} kind @param {Element} text */
function fill(element, kind, text) {
  const source = element.textContent;
  const lang = element.dataset.lang ?? "";
  const how = kind === "code" ? lang : element.classList.contains("wc-math-display");
  if (source.length > LONGEST[kind] || (kind === "code" && !coloured(lang, text))) return;
  const request = { kind, source, how };
  const key = `${kind} ${how} ${source}`;
  asked.set(element, key);
  const now = slices.take();
  const piece = pieces.get(key) ?? (now && short(request) ? keep(key, request, here(request)) : null);
  if (piece) {
    if (now) set(element, piece);
    else place(element, key, piece);
    return;
  }
  slices.watch(element);
  const wanted = () => element.isConnected && (struck.get(text) ?? 0) < STRIKES;
  bench.make(key, request, { wanted, urgent: () => slices.near(element) }).then((made) => {
    if (!made) {
      // Without a worker, what is short is made between the frames.
      if (wanted() && short(request)) slices.add(element, () => void set(element, pieces.get(key) ?? keep(key, request, here(request))));
      else slices.delete(element);
      return;
    }
    if (!pieces.has(key) && !made.html && !made.error) struck.set(text, (struck.get(text) ?? 0) + 1);
    arrived.push([element, key, pieces.get(key) ?? keep(key, request, made)]);
    if (bench.busy && !slices.near(element)) timer ||= setTimeout(placeArrived, BATCH);
    else placeArrived();
  });
}

/** @type {[Element, string, Piece][]} */
const arrived = []; // [element, key, piece]: placed together, since each frame that shows more costs a painting
let timer = 0;

function placeArrived() {
  clearTimeout(timer);
  timer = 0;
  for (const one of arrived.splice(0)) place(...one);
}

// Unless the element is gone by then, or shows something else.
/** @param {Element} element @param {string} key @param {Piece} piece */
const place = (element, key, piece) => slices.add(element, () => element.isConnected && asked.get(element) === key && void set(element, piece));

/** @param {Request} request */
const short = ({ kind, source }) => source.length <= SHORT[kind] && !(kind === "math" && MACRO.test(source));

/** @param {Request} request */
const here = (request) => make(libraries[request.kind].value, request);

/** @param {Request} request @param {Made} made */
const fragment = ({ kind }, { html }) => (html === undefined ? null : CLEAN[kind](html));

/** @type {Map<string, Piece>} */
const pieces = new Map(); // {content, nodes, error} by kind, manner and source; oldest out first
let kept = 0;

/** @param {string} key @param {Request} request @param {Made} made @returns {Piece} */
function keep(key, request, made) {
  const content = fragment(request, made);
  const piece = { content, nodes: content?.querySelectorAll("*").length ?? 0, error: made.error };
  pieces.set(key, piece);
  kept += key.length;
  for (const oldest of pieces.keys()) {
    if (kept <= KEPT) break;
    pieces.delete(oldest);
    kept -= oldest.length;
  }
  return piece;
}

/** @param {Element} element @param {Piece} piece */
function set(element, { content, nodes, error }) {
  if (element.classList.contains("wc-done")) return;
  slices.spend(nodes);
  if (content) element.replaceChildren(content.cloneNode(true));
  else if (error && element.classList.contains("wc-math")) {
    element.classList.add("wc-math-error");
    element.setAttribute("title", error);
  } else return;
  element.classList.add("wc-done");
}
