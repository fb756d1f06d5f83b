// What a page draws between its frames, a slice in each, so that it never waits for a long text or for many formulas:
// first what is in view.

const SPAN = 20; // milliseconds of drawing in one task: with less, a long table is laid out too often
const NODES = 1500; // elements that one task adds at most: the browser lays them out in the frame that follows
const FEW = 4;
const HIDDEN = 100; // milliseconds between two slices where there are no frames

class Slices {
  /** @type {Map<Element, () => unknown>} */
  #jobs = new Map(); // step by element, in the order they came
  /** @type {Set<Element>} */
  #near = new Set(); // elements in view
  #waiting = false; // for the next frame
  #begun = 0; // when this task began to draw
  #nodes = 0; // elements it has added
  #taken = 0; // small pieces it has made
  #led = false; // whether it has drawn the beginning of a text
  /** @type {(() => void)[]} */
  #idle = [];
  #observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) this.#near[isIntersecting ? "add" : "delete"](target);
  });

  /** A task begins to draw. */
  begin() {
    if (this.#begun) return;
    this.#begun = performance.now();
    setTimeout(() => {
      this.#begun = this.#nodes = this.#taken = 0;
      this.#led = false;
    });
  }

  /** Whether nobody has asked for this in the same task: the first text that is shown may draw its beginning at once. */
  lead() {
    this.begin();
    const first = !this.#led;
    this.#led = true;
    return first;
  }

  /** Whether this task has time and room to draw more. */
  get free() {
    this.begin();
    return this.roomy && performance.now() - this.#begun < SPAN;
  }

  /** Whether what it has added leaves room for more. */
  get roomy() {
    return this.#nodes < NODES;
  }

  /** Whether this task may make one more small piece: a few it always may, so that what is little is there at once. */
  take() {
    this.begin();
    this.#taken += 1;
    return this.#taken <= FEW || this.free;
  }

  /** What this task has added to the page. */
  /** @param {number} nodes */
  spend(nodes) {
    this.#nodes += nodes;
  }

  /** Call `step` in later tasks for what is drawn at `element`, until it says that nothing is left. */
  /** @param {Element} element @param {() => unknown} step */
  add(element, step) {
    this.watch(element);
    this.#jobs.set(element, step);
    this.#later();
  }

  /** The same, before what waits already: of several texts the last is the one that people read. */
  /** @param {Element} element @param {() => unknown} step */
  first(element, step) {
    if (!this.#jobs.has(element)) this.#jobs = new Map([[element, step], ...this.#jobs]);
    this.add(element, step);
  }

  /** @param {Element} element */
  delete(element) {
    this.#jobs.delete(element);
    this.#near.delete(element);
    this.#observer.unobserve(element);
    if (!this.#jobs.size) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Know whether an element is in view, until it is drawn. */
  /** @param {Element} element */
  watch(element) {
    this.#observer.observe(element);
  }

  /** @param {Element} element */
  near(element) {
    return this.#near.has(element);
  }

  get busy() {
    return this.#jobs.size > 0;
  }

  /** Resolves when nothing is left to be drawn. */
  get idle() {
    return this.busy ? new Promise((/** @type {(nothing: void) => void} */ resolve) => this.#idle.push(resolve)) : Promise.resolve();
  }

  /** Draw all that is left, now: for paper, which does not wait. */
  finish() {
    while (this.#jobs.size) this.#step(this.#next());
  }

  /** Draw all that is left at `element`, now: for somebody who is reading it. */
  /** @param {Element} element */
  finishAt(element) {
    while (this.#jobs.has(element)) this.#step(element);
  }

  #later() {
    if (this.#waiting) return;
    this.#waiting = true;
    let due = true;
    const run = () => {
      if (!due) return;
      due = this.#waiting = false;
      this.#run();
    };
    requestAnimationFrame(() => setTimeout(run)); // behind the frame, which lays out what the slice before has added
    setTimeout(run, HIDDEN);
  }

  #run() {
    while (this.#jobs.size && this.free) this.#step(this.#next());
    if (this.#jobs.size) this.#later();
  }

  /** @param {Element | undefined} element */
  #step(element) {
    if (element && !this.#jobs.get(element)?.()) this.delete(element);
  }

  #next() {
    for (const element of this.#jobs.keys()) if (this.#near.has(element)) return element;
    return this.#jobs.keys().next().value;
  }
}

export const slices = new Slices();
