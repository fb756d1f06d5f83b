// Highlighted code and typeset formulas, whose libraries are loaded when first needed. What is short is made at once,
// while the frame has time for it, everything else in a worker that the page never waits for. Until then, or when it
// cannot be made in time, the source stands in its place.

import { Bench } from "./bench.js";
import { LOAD, make } from "./making.js";
import { code as cleanCode, math as cleanMath } from "./sanitize.js";

const SHORT = { code: 1500, math: 300 }; // characters: even the worst of them hold the page for less than a frame or two
const LONGEST = { code: 60_000, math: 8000 };
export const MOST = 500; // pieces of one text: a browser takes long to lay out thousands of formulas
const ALLOWANCE = 30; // milliseconds of making in one frame
const KEPT = 300_000; // characters whose pieces are kept
const BATCH = 200; // milliseconds between what comes from the worker while it has more to do
const STRIKES = 3; // pieces of one text that took too long: no more of it is tried
const MACRO = /\\(?:[egx]?def|(?:future)?let|(?:re)?new(?:command|environment)|providecommand)/; // may double again and again

const CLEAN = { code: cleanCode, math: cleanMath };
const FOUND = { code: "code[data-lang]:not(.wc-done, [data-lang=''])", math: ".wc-math:not(.wc-done)" };

const sheet = () =>
  new Promise((resolve) => {
    const href = new URL("../vendor/katex/katex.css", import.meta.url).href;
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href, onload: resolve, onerror: resolve }));
  });

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

const libraries = {
  code: new Library(LOAD.code),
  math: new Library(async () => (await Promise.all([LOAD.math(), sheet()]))[0]),
};
const bench = new Bench();

/** Resolves when all code and formulas on the page are set, as far as they can be. */
export async function settled() {
  await Promise.all(Object.values(libraries).map((library) => library.settled));
  await bench.idle;
  placeArrived();
}

/** Highlight the code and typeset the formulas below `root`, a part of `place` or soon to be, `room` of them at most;
 *  what is still to come then comes later. Gives how many there are. */
export function upgrade(root, place, room = MOST) {
  let count = 0;
  for (const kind of ["code", "math"]) {
    const found = [...root.querySelectorAll(FOUND[kind])].slice(0, room - count);
    if (!found.length) continue;
    count += found.length;
    if (!libraries[kind].value) libraries[kind].need(place);
    else for (const element of found) fill(element, kind, place);
  }
  return count;
}

/** Whether code in `lang` can be coloured; if that is not known yet, `place` is upgraded later. */
export function coloured(lang, place) {
  if (!lang) return false;
  if (!libraries.code.value) libraries.code.need(place);
  return Boolean(libraries.code.value?.getLanguage(lang));
}

/** Code as coloured elements, now; null when that would take too long. */
export function highlighted(source, how) {
  const request = { kind: "code", source, how };
  return affordable(request) ? fragment(request, here(request)) : null;
}

const struck = new WeakMap(); // how many pieces of a text took too long

function fill(element, kind, place) {
  const source = element.textContent;
  const how = kind === "code" ? element.dataset.lang : element.classList.contains("wc-math-display");
  if (source.length > LONGEST[kind] || (kind === "code" && !coloured(how, place))) return;
  const request = { kind, source, how };
  const key = `${kind} ${how} ${source}`;
  const piece = pieces.get(key) ?? (affordable(request) ? keep(key, request, here(request)) : null);
  if (piece) {
    set(element, piece);
    return;
  }
  const wanted = () => element.isConnected && (struck.get(place) ?? 0) < STRIKES;
  bench.make(key, request, wanted).then((made) => {
    if (!made) return;
    if (!pieces.has(key) && !made.html && !made.error) struck.set(place, (struck.get(place) ?? 0) + 1);
    arrived.push([element, pieces.get(key) ?? keep(key, request, made)]);
    if (bench.busy) timer ||= setTimeout(placeArrived, BATCH);
    else placeArrived();
  });
}

const arrived = []; // [element, piece]: set together, since each makes its paragraph be laid out anew
let timer = 0;

function placeArrived() {
  clearTimeout(timer);
  timer = 0;
  for (const [element, piece] of arrived.splice(0)) set(element, piece);
}

let spent = 0; // milliseconds in this frame

const affordable = ({ kind, source }) =>
  spent < ALLOWANCE && source.length <= SHORT[kind] && !(kind === "math" && MACRO.test(source));

function here(request) {
  if (!spent) setTimeout(() => (spent = 0));
  const begun = performance.now();
  const made = make(libraries[request.kind].value, request);
  spent += performance.now() - begun + 0.001;
  return made;
}

const fragment = ({ kind }, { html }) => (html === undefined ? null : CLEAN[kind](html));

const pieces = new Map(); // {content, error} by kind, manner and source; oldest out first
let kept = 0;

function keep(key, request, made) {
  const piece = { content: fragment(request, made), error: made.error };
  pieces.set(key, piece);
  kept += key.length;
  for (const oldest of pieces.keys()) {
    if (kept <= KEPT) break;
    pieces.delete(oldest);
    kept -= oldest.length;
  }
  return piece;
}

function set(element, { content, error }) {
  if (element.classList.contains("wc-done")) return;
  if (content) element.replaceChildren(content.cloneNode(true));
  else if (error && element.classList.contains("wc-math")) {
    element.classList.add("wc-math-error");
    element.title = error;
  } else return;
  element.classList.add("wc-done");
}
