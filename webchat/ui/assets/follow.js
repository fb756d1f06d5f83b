// Follows one running reply: an EventSource that resumes by itself, and is made anew where the browser gives up.
//
//   const stop = follow(url, { from, onDelta, onStatus, onDone, onGone, onConnection });
//
// Every piece arrives once and in order: what was seen before is dropped, a gap is asked for again.

const FIRST_WAIT = 500;
const LONGEST_WAIT = 8000;
const SILENCE = 40_000; // an open connection: the server says something every 15 s
const NO_ANSWER = 10_000; // one that is being made
const LOOK = 5000;

export function follow(address, handlers) {
  const following = new Following(address, handlers);
  following.open();
  return () => following.close();
}

class Following {
  #address;
  #handlers;
  #seq;
  #source = null;
  #wait = FIRST_WAIT;
  #timer = 0;
  #watch = 0;
  #heard = 0;
  #closed = false;
  #wake = () => this.#onWake();

  constructor(address, handlers) {
    this.#address = address;
    this.#handlers = handlers;
    this.#seq = handlers.from ?? 0;
    addEventListener("online", this.#wake);
    addEventListener("pageshow", this.#wake);
    document.addEventListener("visibilitychange", this.#wake);
    // A router that forgot the connection tells nobody.
    this.#watch = setInterval(() => this.#silent() && this.open(), LOOK);
  }

  open() {
    clearTimeout(this.#timer);
    this.#source?.close();
    const address = new URL(this.#address, document.baseURI);
    address.searchParams.set("from", this.#seq);
    const source = new EventSource(address);
    this.#source = source;
    this.#heard = performance.now();
    const on = (name, handle) =>
      source.addEventListener(name, (event) => {
        if (this.#source !== source) return;
        this.#heard = performance.now();
        handle(event);
      });
    on("open", () => {
      this.#wait = FIRST_WAIT;
      this.#handlers.onConnection?.(true);
    });
    on("delta", (event) => this.#onDelta(JSON.parse(event.data)));
    on("beat", () => {});
    on("status", (event) => this.#handlers.onStatus?.(JSON.parse(event.data)));
    on("done", (event) => {
      this.close();
      this.#handlers.onDone?.(JSON.parse(event.data).message);
    });
    on("error", () => this.#onError(source));
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    this.#source?.close();
    this.#source = null;
    removeEventListener("online", this.#wake);
    removeEventListener("pageshow", this.#wake);
    document.removeEventListener("visibilitychange", this.#wake);
  }

  #onDelta(delta) {
    if (delta.seq <= this.#seq) return;
    if (delta.seq > this.#seq + 1) {
      this.open();
      return;
    }
    this.#seq = delta.seq;
    this.#handlers.onDelta(delta);
  }

  // CONNECTING: the browser tries again by itself. CLOSED: it was answered with an error, and will not.
  #onError(source) {
    this.#handlers.onConnection?.(false);
    if (source.readyState !== EventSource.CLOSED) return;
    this.#timer = setTimeout(() => this.#retry(), this.#wait * (0.75 + Math.random() / 2));
    this.#wait = Math.min(LONGEST_WAIT, 2 * this.#wait);
  }

  // The message may be gone, or the visitor's leave: onGone finds out and tells whether following makes sense.
  async #retry() {
    const goOn = (await this.#handlers.onGone?.()) ?? true;
    if (this.#closed) return;
    if (goOn) this.open();
    else this.close();
  }

  #silent() {
    const limits = { [EventSource.OPEN]: SILENCE, [EventSource.CONNECTING]: NO_ANSWER };
    return performance.now() - this.#heard > (limits[this.#source?.readyState] ?? Infinity);
  }

  #onWake() {
    if (document.visibilityState === "hidden") return;
    if (this.#silent() || this.#source?.readyState !== EventSource.OPEN) this.open();
  }
}
