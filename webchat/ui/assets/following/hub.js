// One event stream for all tabs of a browser: a browser opens six connections to a host, and a stream for each tab would
// leave none for anything else. Lives in a shared worker, or in the page where there is none. Uses no DOM.
//
//   const hub = new Hub();
//   hub.connect(port);  // a MessagePort to a tab
//
// A tab says what it shows: {type: "show", address, replies: {id: seq}, visible, wake?}, again whenever that changes and
// from time to time; {type: "bye"} when it goes. It is answered {type: "here"}, and told
//   {type: "line", open, gap}             whether the stream is there, and whether something may have been missed
//   {type: "status" | "delta" | "done" | "gone", id, data}   of the replies it shows, while it is visible
//   {type: "begun" | "ended" | "changed", data}               of all conversations, also while it is hidden
//
// Each piece arrives once and in order. A stream cannot be told to follow something else, so another one is opened from
// where each tab is; the old one goes on until then.

/** @import { Delta, Message, News, Status } from "../types.js" */
/** @typedef {{ type: "show", address: string, replies: Record<string, number>, visible: boolean, wake?: boolean } | { type: "bye" }} FromTab */
/** @typedef {{ id: string } & ({ type: "status", data: Status } | { type: "delta", data: Delta } | { type: "done", data: Message } | { type: "gone", data: unknown })} OfReply */
/** @typedef {{ type: "here" } | { type: "line", open: boolean, gap: boolean } | { type: News["type"], data: Omit<News, "type"> } | OfReply} ToTab */
/** @typedef {{ onmessage: ((event: MessageEvent<FromTab>) => void) | null, postMessage(message: ToTab): void }} Port */
/** @typedef {{ replies: Map<string, number>, visible: boolean, heard: number, owner: string | null, fresh: boolean }} Tab */
/** @typedef {{ source: EventSource, told: Map<string, number>, statuses: Map<string, Status>, tabs: Set<Tab>, owner: string | null, heard: number }} Stream */

const FIRST_WAIT = 500;
const LONGEST_WAIT = 8000;
const SILENCE = 40_000; // the server says something every 15 s
const NO_ANSWER = 10_000;
const LOOK = 5000;
const LINGER = 1000; // after the last tab that wants a reply: one tab hides before the next is shown
const GLANCE = 15_000;
const TAB_GONE = 180_000; // timers of hidden tabs run once a minute
const MOST_REPLIES = 64; // as the server takes

export class Hub {
  /** @type {Map<Port, Tab>} */
  #tabs = new Map();
  #address = "";
  /** @type {Stream | null} */
  #stream = null;
  /** @type {Stream | null} the one that takes its place as soon as it is open */
  #next = null;
  /** @type {boolean | null} what the tabs were told */
  #open = null;
  #wait = FIRST_WAIT;
  #timers = { update: 0, retry: 0, glance: 0 };
  #glances;

  // glances: while no tab is visible, look from time to time instead of holding a connection.
  constructor({ glances = false } = {}) {
    this.#glances = glances;
    setInterval(() => this.#look(), LOOK);
  }

  /** @param {Port} port */
  connect(port) {
    port.onmessage = ({ data }) => this.#onTab(port, data);
  }

  /** @param {Port} port @param {FromTab} message */
  #onTab(port, message) {
    if (message.type === "bye") {
      this.#tabs.delete(port);
      this.#soon(LINGER);
      return;
    }
    const { address, replies, visible, wake } = message;
    const tab = this.#tabs.get(port) ?? { replies: new Map(), visible, heard: 0, owner: null, fresh: true };
    const before = tab.replies;
    // What was sent to a tab is ahead of what it says: its word counts for what is new to it.
    tab.replies = new Map(Object.entries(replies).map(([id, seq]) => [id, before.get(id) ?? seq]));
    Object.assign(tab, { visible, heard: Date.now() });
    this.#tabs.set(port, tab);
    this.#address = address;
    port.postMessage({ type: "here" });
    if (wake) this.#wake();
    for (const id of tab.replies.keys()) {
      const status = before.has(id) ? null : this.#stream?.statuses.get(id);
      if (status && this.#serves(tab)) port.postMessage({ type: "status", id, data: status });
    }
    this.#soon(this.#lacks() ? 0 : LINGER);
  }

  // --- which stream is needed -------------------------------------------------------------------------------

  // A tab belongs to the owner of the first stream that was opened with it. When somebody else signs in, in another tab,
  // the cookie changes under it: the streams opened from then on are not for this tab.
  /** @param {Tab} tab */
  #serves(tab) {
    return this.#stream !== null && tab.owner === this.#stream.owner;
  }

  /** @param {Tab} tab */
  #foreign(tab) {
    return this.#stream !== null && tab.owner !== null && tab.owner !== this.#stream.owner;
  }

  #wanted() {
    /** @type {Map<string, number>} */
    const wanted = new Map();
    for (const tab of this.#tabs.values()) {
      if (!tab.visible || this.#foreign(tab)) continue;
      for (const [id, seq] of tab.replies) wanted.set(id, Math.min(seq, wanted.get(id) ?? seq));
    }
    return new Map([...wanted].slice(-MOST_REPLIES));
  }

  // Whether a tab wants what the stream does not tell, or does not tell any more.
  #lacks() {
    const stream = this.#next ?? this.#stream;
    if (stream === null) return this.#needed;
    const fresh = [...this.#tabs.values()].some((tab) => tab.fresh && !stream.tabs.has(tab));
    return fresh || [...this.#wanted()].some(([id, seq]) => seq < (stream.told.get(id) ?? Infinity));
  }

  get #needed() {
    return [...this.#tabs.values()].some((tab) => tab.visible || tab.replies.size);
  }

  get #watched() {
    return [...this.#tabs.values()].some((tab) => tab.visible);
  }

  /** @param {number} wait */
  #soon(wait) {
    if (wait && this.#timers.update) return;
    clearTimeout(this.#timers.update);
    this.#timers.update = setTimeout(() => {
      this.#timers.update = 0;
      this.#update();
    }, wait);
  }

  #update() {
    clearTimeout(this.#timers.glance);
    if (!this.#needed) return this.#close();
    if (this.#glances && !this.#watched) {
      this.#close();
      this.#timers.glance = setTimeout(() => this.#glance(), GLANCE);
      return;
    }
    const stream = this.#next ?? this.#stream;
    const wanted = this.#wanted();
    const spare = stream !== null && [...stream.told.keys()].some((id) => !wanted.has(id));
    if (spare || this.#lacks()) this.#connect(wanted);
  }

  // --- the stream -------------------------------------------------------------------------------------------

  #connect(wanted = this.#wanted()) {
    clearTimeout(this.#timers.retry);
    this.#next?.source.close();
    const address = new URL(this.#address);
    for (const [id, seq] of wanted) address.searchParams.append("reply", `${id}:${seq}`);
    const source = new EventSource(address);
    /** @type {Stream} */
    const stream = { source, told: wanted, statuses: new Map(), tabs: new Set(this.#tabs.values()), owner: null, heard: Date.now() };
    this.#next = stream;
    /** @param {string} name @param {(data: any) => void} handle */
    const on = (name, handle) =>
      source.addEventListener(name, ({ data }) => {
        stream.heard = Date.now();
        if (this.#stream === stream || (this.#next === stream && name === "hello")) handle(data === undefined ? null : JSON.parse(data));
      });
    on("hello", (hello) => this.#onHello(stream, hello));
    on("status", (status) => this.#onStatus(stream, status));
    on("delta", (delta) => this.#onDelta(stream, delta));
    on("done", (done) => this.#onEnd(stream, { type: "done", id: done.message.id, data: done.message }));
    on("gone", (gone) => this.#onEnd(stream, { type: "gone", id: gone.message_id, data: gone }));
    for (const type of /** @type {const} */ (["begun", "ended", "changed"])) on(type, (data) => this.#tell({ type, data }));
    on("beat", () => {});
    source.onerror = () => this.#onError(stream);
  }

  /** @param {Stream} stream @param {{ owner: string, running: string[] }} hello */
  #onHello(stream, { owner, running }) {
    const gap = this.#stream === null || this.#stream.owner !== owner;
    this.#stream?.source.close();
    this.#stream = stream;
    this.#next = null;
    this.#wait = FIRST_WAIT;
    stream.owner = owner;
    this.#open = true;
    for (const [port, tab] of this.#tabs) {
      if (!stream.tabs.has(tab)) continue; // a later one has the next stream
      tab.owner ??= owner;
      const open = this.#serves(tab);
      port.postMessage({ type: "line", open, gap: gap || tab.fresh });
      tab.fresh = false;
      if (open && !tab.visible) this.#tellEnded(port, tab, running);
    }
    if (this.#lacks()) this.#soon(0);
  }

  // What ended while nobody listened: a hidden tab is told that it did, and asks for the words when it is looked at.
  /** @param {Port} port @param {Tab} tab @param {string[]} running */
  #tellEnded(port, tab, running) {
    for (const id of tab.replies.keys()) {
      if (!running.includes(id)) port.postMessage({ type: "ended", data: { message_id: id } });
    }
  }

  /** @param {Stream} stream @param {Status} status */
  #onStatus(stream, status) {
    const { message_id: id } = status;
    stream.statuses.set(id, status);
    for (const [port] of this.#viewers(id)) port.postMessage({ type: "status", id, data: status });
  }

  /** @param {Stream} stream @param {Delta} delta */
  #onDelta(stream, delta) {
    const { message_id: id, seq } = delta;
    stream.told.set(id, seq);
    for (const [port, tab] of this.#viewers(id)) {
      if (tab.replies.get(id) !== seq - 1) continue;
      tab.replies.set(id, seq);
      port.postMessage({ type: "delta", id, data: delta });
    }
  }

  /** @param {Stream} stream @param {OfReply} end */
  #onEnd(stream, end) {
    const { id } = end;
    stream.told.delete(id);
    stream.statuses.delete(id);
    for (const [port, tab] of this.#viewers(id)) {
      tab.replies.delete(id);
      port.postMessage(end);
    }
    this.#soon(0);
  }

  /** @param {string} id @returns {Iterable<[Port, Tab]>} */
  *#viewers(id) {
    for (const [port, tab] of this.#tabs) if (tab.visible && tab.replies.has(id) && this.#serves(tab)) yield [port, tab];
  }

  /** @param {ToTab} message */
  #tell(message) {
    for (const [port, tab] of this.#tabs) if (this.#serves(tab)) port.postMessage(message);
  }

  /** @param {Stream} stream */
  #onError(stream) {
    if (stream !== this.#stream && stream !== this.#next) return;
    this.#drop(stream);
    if (this.#stream === null && this.#open !== false) {
      this.#open = false;
      for (const port of this.#tabs.keys()) port.postMessage({ type: "line", open: false, gap: true });
    }
    clearTimeout(this.#timers.retry);
    this.#timers.retry = setTimeout(() => this.#needed && this.#connect(), this.#wait * (0.75 + Math.random() / 2));
    this.#wait = Math.min(LONGEST_WAIT, 2 * this.#wait);
  }

  /** @param {Stream} stream */
  #drop(stream) {
    stream.source.close();
    if (this.#stream === stream) this.#stream = null;
    if (this.#next === stream) this.#next = null;
  }

  #close() {
    clearTimeout(this.#timers.retry);
    for (const stream of [this.#stream, this.#next]) if (stream) this.#drop(stream);
    this.#open = null;
  }

  // --- keeping an eye on it ---------------------------------------------------------------------------------

  // A router that forgot the connection tells nobody, and neither does a tab that crashed.
  #look() {
    const now = Date.now();
    for (const [port, tab] of this.#tabs) if (now - tab.heard > TAB_GONE) this.#tabs.delete(port);
    if (this.#next && now - this.#next.heard > NO_ANSWER) this.#onError(this.#next);
    else if (this.#stream && now - this.#stream.heard > SILENCE) this.#again();
    if (!this.#needed) this.#close();
  }

  // The network is back, or the machine was asleep: a connection that looks open may be dead.
  #wake() {
    const quiet = this.#stream && Date.now() - this.#stream.heard > SILENCE / 2;
    if (quiet || (this.#stream === null && this.#open === false)) this.#again();
  }

  #again() {
    if (this.#stream) this.#drop(this.#stream);
    this.#connect();
  }

  #glance() {
    const address = new URL(this.#address);
    address.searchParams.set("wait", "0");
    const source = new EventSource(address);
    source.addEventListener("hello", ({ data }) => {
      source.close();
      const { running } = JSON.parse(data);
      for (const [port, tab] of this.#tabs) this.#tellEnded(port, tab, running);
    });
    source.onerror = () => source.close();
    this.#update();
  }
}
