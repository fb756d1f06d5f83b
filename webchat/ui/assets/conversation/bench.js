// Where code and formulas are made that the page cannot stop for: a worker, one piece after the other, first what is
// urgent. A piece that takes too long is given up together with the worker, and the next has a new one.

/** @import { Made, Request } from "./making.js" */
/** @typedef {{ wanted(): boolean, urgent(): boolean }} Asker */

const BUDGET = 1000; // milliseconds for one piece
const START = 20_000; // for the worker to come up
const GRACE = 50; // for an answer that has come while the page itself was busy

export class Bench {
  /** @type {Map<string, { request: Request, asked: Asker[], promise: Promise<Made | null>, resolve(made: Made | null): void }>} */
  #jobs = new Map(); // by key, in the order they came
  /** @type {Worker | null} */
  #worker = null;
  #ready = false;
  /** @type {string | null} */
  #current = null; // the key of the job that is done
  #timer = 0;

  /** What is made of a request (see `making.js`), {} if that takes too long, null if nobody wants it any more or
   *  there is no worker. asker: {wanted, urgent}, asked when its turn may come. */
  /** @param {string} key @param {Request} request @param {Asker} asker */
  make(key, request, asker) {
    const job = this.#jobs.get(key) ?? this.#add(key, request);
    job.asked.push(asker);
    return job.promise;
  }

  /** @param {string} key @param {Request} request */
  #add(key, request) {
    const job = { request, asked: [], ...withResolvers() };
    this.#jobs.set(key, job);
    queueMicrotask(() => this.#next());
    return job;
  }

  get busy() {
    return this.#jobs.size > 0;
  }

  /** Resolves when what was asked for so far is made, or given up. */
  get idle() {
    return Promise.all([...this.#jobs.values()].map(({ promise }) => promise));
  }

  #next() {
    if (this.#current !== null) return;
    for (const [key, { asked }] of this.#jobs) if (!asked.some(({ wanted }) => wanted())) this.#settle(key, null);
    if (!this.#jobs.size) return;
    if (!this.#ready) {
      this.#start();
      return;
    }
    const jobs = [...this.#jobs];
    const [key, { request }] = jobs.find(([, { asked }]) => asked.some(({ urgent }) => urgent())) ?? jobs[0];
    this.#current = key;
    this.#worker?.postMessage(request);
    this.#timer = setTimeout(() => (this.#timer = setTimeout(() => this.#giveUp(), GRACE)), BUDGET);
  }

  #start() {
    if (this.#worker) return;
    try {
      this.#worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    } catch {
      this.#giveUp();
      return;
    }
    this.#worker.onmessage = ({ data }) => {
      clearTimeout(this.#timer);
      if (data === "ready") this.#ready = true;
      else if (this.#current !== null) this.#settle(this.#current, data);
      this.#next();
    };
    this.#worker.onerror = () => this.#giveUp();
    this.#timer = setTimeout(() => this.#giveUp(), START);
  }

  // The job that is done, or all of them where there is no worker to do them.
  #giveUp() {
    clearTimeout(this.#timer);
    this.#worker?.terminate();
    this.#worker = null;
    if (this.#ready) this.#current !== null && this.#settle(this.#current, {});
    else for (const key of this.#jobs.keys()) this.#settle(key, null);
    this.#ready = false;
    this.#next();
  }

  /** @param {string} key @param {Made | null} made */
  #settle(key, made) {
    this.#current = null;
    const job = this.#jobs.get(key);
    this.#jobs.delete(key);
    job?.resolve(made);
  }
}

/** @returns {{ promise: Promise<Made | null>, resolve(made: Made | null): void }} */
function withResolvers() {
  /** @type {(made: Made | null) => void} */
  let resolve = () => {};
  const promise = new Promise((/** @type {typeof resolve} */ done) => (resolve = done));
  return { promise, resolve };
}
