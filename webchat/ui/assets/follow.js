// This tab's end of the browser's one event stream (following/hub.js): what is on the screen is followed from here.
//
//   const line = new Line(address, { onLine({open, gap}), onNews({type, conversation_id, message_id, state}) });
//   const stop = line.follow(id, { from, onDelta, onStatus, onDone, onGone });

const PING = 20_000;
const NO_ANSWER = 10_000;
const LOOK = 5000;

export class Line {
  open = false; // whether what happens elsewhere is told
  #address;
  #handlers;
  #following = new Map(); // id -> {seq, handlers}
  #port = null;
  #pinged = 0; // when the hub was asked and has not answered yet
  #shown = 0; // when it was told last what is on the screen
  #lost = 0; // how often a hub was given up
  #timer = 0;

  constructor(address, handlers) {
    this.#address = address;
    this.#handlers = handlers;
    addEventListener("pagehide", () => this.#port?.postMessage({ type: "bye" }));
    addEventListener("pageshow", ({ persisted }) => persisted && this.#show({ wake: true }));
    addEventListener("online", () => this.#show({ wake: true }));
    document.addEventListener("visibilitychange", () => this.#show({ wake: !document.hidden }));
    this.#timer = setInterval(() => this.#look(), LOOK);
    this.#connect();
  }

  follow(id, { from = 0, ...handlers }) {
    this.#following.set(id, { seq: from, ...handlers });
    this.#show();
    return () => this.#forget(id);
  }

  // For good: whoever this tab belongs to may not follow any more.
  close() {
    clearInterval(this.#timer);
    this.#port?.postMessage({ type: "bye" });
    this.#port?.close();
    this.#port = null;
    this.#following.clear();
    this.open = false;
  }

  #forget(id) {
    if (this.#following.delete(id)) this.#show();
  }

  // --- the hub ----------------------------------------------------------------------------------------------

  #connect() {
    try {
      const worker = new SharedWorker(new URL("./following/worker.js", import.meta.url), { type: "module", name: "webchat" });
      worker.onerror = () => this.#port === worker.port && this.#connectHere();
      this.#use(worker.port);
    } catch {
      this.#connectHere(); // phones have no shared workers, and show one tab at a time
    }
  }

  async #connectHere() {
    const { port1, port2 } = new MessageChannel();
    this.#use(port2);
    const { Hub } = await import("./following/hub.js");
    new Hub({ glances: true }).connect(port1);
  }

  #use(port) {
    this.#port?.postMessage({ type: "bye" });
    this.#port = port;
    this.#pinged = 0;
    port.onmessage = ({ data }) => this.#port === port && this.#onMessage(data);
    this.#show();
  }

  #show({ wake = false } = {}) {
    const replies = Object.fromEntries([...this.#following].map(([id, { seq }]) => [id, seq]));
    this.#shown = performance.now();
    if (wake || !this.#pinged) this.#pinged = this.#shown;
    this.#port?.postMessage({ type: "show", address: this.#address, replies, visible: !document.hidden, wake });
  }

  // A worker can die like anything else; a page that has lost two goes on by itself.
  #look() {
    const now = performance.now();
    // A hidden tab hears late.
    if (!document.hidden && this.#pinged && now - this.#pinged > NO_ANSWER) {
      this.#lost += 1;
      this.#onLine({ open: false, gap: true });
      if (this.#lost > 1) this.#connectHere();
      else this.#connect();
    } else if (now - this.#shown > PING) this.#show();
  }

  #onMessage({ type, id, data, open, gap }) {
    this.#pinged = 0;
    if (type === "line") this.#onLine({ open, gap });
    else if (type === "begun" || type === "ended" || type === "changed") this.#handlers.onNews({ type, ...data });
    else if (id) this.#onReply(type, id, data);
  }

  #onLine(line) {
    this.open = line.open;
    this.#handlers.onLine(line);
  }

  #onReply(type, id, data) {
    const one = this.#following.get(id);
    if (!one) return;
    if (type === "status") one.onStatus(data);
    else if (type === "delta") this.#onDelta(one, data);
    else {
      this.#following.delete(id); // the hub has forgotten it too
      if (type === "done") one.onDone(data);
      else one.onGone();
    }
  }

  #onDelta(one, delta) {
    const next = one.seq + 1;
    if (delta.seq > next) this.#again(delta.message_id, one);
    if (delta.seq !== next) return;
    one.seq = next;
    one.onDelta(delta);
  }

  // What is missing is told to whoever is new.
  #again(id, one) {
    this.#forget(id);
    this.#following.set(id, one);
    this.#show();
  }
}
