// This tab's end of the browser's one event stream (following/hub.js): what is on the screen is followed from here.
//
//   const line = new Line(address, { onLine({open, gap}), onNews({type, conversation_id, message_id, state}) });
//   const stop = line.follow(id, { from, onDelta, onStatus, onDone, onGone });

/** @import { Delta, Message, News, Status } from "./types.js" */
/** @import { OfReply, ToTab } from "./following/hub.js" */
/** @typedef {{ onDelta(delta: Delta): void, onStatus(status: Status): void, onDone(message: Message): void, onGone(): void }} ReplyHandlers */

const PING = 20_000;
const NO_ANSWER = 10_000;
const LOOK = 5000;

export class Line {
  open = false; // whether what happens elsewhere is told
  /** @type {string} */
  #address;
  /** @type {{ onLine(line: { open: boolean, gap: boolean }): void, onNews(news: News): void }} */
  #handlers;
  /** @type {Map<string, ReplyHandlers & { seq: number }>} */
  #following = new Map(); // id -> {seq, handlers}
  /** @type {MessagePort | null} */
  #port = null;
  #pinged = 0; // when the hub was asked and has not answered yet
  #shown = 0; // when it was told last what is on the screen
  #lost = 0; // how often a hub was given up
  #timer = 0;

  /** @param {string} address @param {{ onLine(line: { open: boolean, gap: boolean }): void, onNews(news: News): void }} handlers */
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

  /** @param {string} id @param {ReplyHandlers & { from?: number }} options */
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

  /** @param {string} id */
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

  /** @param {MessagePort} port */
  #use(port) {
    this.#port?.postMessage({ type: "bye" });
    this.#port = port;
    this.#pinged = 0;
    port.onmessage = ({ data }) => this.#port === port && this.#onMessage(data);
    this.#show();
  }

  /** @param {{ wake?: boolean }} [options] */
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

  /** @param {ToTab} message */
  #onMessage(message) {
    this.#pinged = 0;
    if ("id" in message) this.#onReply(message);
    else if (message.type === "line") this.#onLine({ open: message.open, gap: message.gap });
    else if (message.type !== "here") this.#handlers.onNews({ type: message.type, ...message.data });
  }

  /** @param {{ open: boolean, gap: boolean }} line */
  #onLine(line) {
    this.open = line.open;
    this.#handlers.onLine(line);
  }

  /** @param {OfReply} message */
  #onReply(message) {
    const one = this.#following.get(message.id);
    if (!one) return;
    if (message.type === "status") one.onStatus(message.data);
    else if (message.type === "delta") this.#onDelta(one, message.data);
    else {
      this.#following.delete(message.id); // the hub has forgotten it too
      if (message.type === "done") one.onDone(message.data);
      else one.onGone();
    }
  }

  /** @param {ReplyHandlers & { seq: number }} one @param {Delta} delta */
  #onDelta(one, delta) {
    const next = one.seq + 1;
    if (delta.seq > next) this.#again(delta.message_id, one);
    if (delta.seq !== next) return;
    one.seq = next;
    one.onDelta(delta);
  }

  // What is missing is told to whoever is new.
  /** @param {string} id @param {ReplyHandlers & { seq: number }} one */
  #again(id, one) {
    this.#forget(id);
    this.#following.set(id, one);
    this.#show();
  }
}
