// Where code and formulas are made that the page cannot stop for: a worker, one piece after the other, first what is
// urgent. A piece that takes too long is given up together with the worker, and the next has a new one.

const BUDGET = 1000; // milliseconds for one piece
const START = 20_000; // for the worker to come up
const GRACE = 50; // for an answer that has come while the page itself was busy

export class Bench {
  #jobs = new Map(); // by key, in the order they came: {request, asked, promise, resolve}
  #worker = null;
  #ready = false;
  #current = null; // the key of the job that is done
  #timer = 0;

  /** What is made of a request (see `making.js`), {} if that takes too long, null if nobody wants it any more or
   *  there is no worker. asker: {wanted, urgent}, asked when its turn may come. */
  make(key, request, asker) {
    if (!this.#jobs.has(key)) {
      const { promise, resolve } = withResolvers();
      this.#jobs.set(key, { request, asked: [], promise, resolve });
      queueMicrotask(() => this.#next());
    }
    const job = this.#jobs.get(key);
    job.asked.push(asker);
    return job.promise;
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
    this.#worker.postMessage(request);
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
      else this.#settle(this.#current, data);
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
    if (this.#ready) this.#settle(this.#current, {});
    else for (const key of this.#jobs.keys()) this.#settle(key, null);
    this.#ready = false;
    this.#next();
  }

  #settle(key, made) {
    this.#current = null;
    const job = this.#jobs.get(key);
    this.#jobs.delete(key);
    job?.resolve(made);
  }
}

function withResolvers() {
  let resolve;
  const promise = new Promise((done) => (resolve = done));
  return { promise, resolve };
}
