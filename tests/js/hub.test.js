// The hub that holds the one event stream of a browser, on random schedules, with clocks, connections and a server of its
// own: whatever tabs, replies and connections do, each tab is told each piece once and in order.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { Hub } from "../../webchat/ui/assets/following/hub.js";

const SCHEDULES = Number(process.env.SCHEDULES ?? 300);
const STEPS = 120;

const { setTimeout, setInterval, clearTimeout, EventSource } = globalThis;
const { now } = Date;

afterEach(() => {
  Object.assign(globalThis, { setTimeout, setInterval, clearTimeout, EventSource });
  Date.now = now;
});

test("whatever happens each tab is told each piece once on one connection", () => {
  for (let seed = 1; seed <= SCHEDULES; seed++) assert.equal(run(seed), null, `schedule ${seed}`);
});

function run(seed) {
  const random = (count) => ((seed = (seed * 1103515245 + 12345) % 2147483648) >> 8) % count;
  const trace = [];
  let now = 0;
  const timers = [];
  const after = (every) => (work, wait = 0) => {
    timers.push({ id: timers.length + 1, at: now + wait, work, every: every ? wait : 0 });
    return timers.length;
  };
  globalThis.setTimeout = after(false);
  globalThis.setInterval = after(true);
  globalThis.clearTimeout = (id) => id && (timers[id - 1].work = null);
  Date.now = () => now;
  const advance = (wait) => {
    const end = now + wait;
    for (;;) {
      const due = timers.filter(({ work, at }) => work && at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      now = due.at;
      const { work } = due;
      if (due.every) due.at += due.every;
      else due.work = null;
      work();
    }
    now = end;
  };

  // The server: replies that are written, connections that follow them.
  const replies = ["a", "b", "c"].map((id) => ({ id, seq: 0, ended: false }));
  const sources = new Set();
  let most = 0;
  globalThis.EventSource = class {
    constructor(address) {
      this.listeners = {};
      this.at = new Map(new URL(address).searchParams.getAll("reply").map((each) => {
        const [id, seq] = each.split(":");
        return [id, Number(seq)];
      }));
      this.open = false;
      this.deaf = false;
      sources.add(this);
      most = Math.max(most, sources.size);
    }
    addEventListener(name, listener) { this.listeners[name] = listener; }
    close() { sources.delete(this); }
    say(name, data) { if (sources.has(this) && !this.deaf) this.listeners[name]?.({ data: JSON.stringify(data) }); }
    answer() {
      if (!this.open) this.say("hello", { owner: "o", running: replies.filter((r) => !r.ended).map(({ id }) => id) });
      else this.say("beat", {});
      this.open = true;
      for (const [id, from] of this.at) {
        const reply = replies.find((one) => one.id === id);
        for (let seq = from + 1; seq <= reply.seq; seq++) this.say("delta", { message_id: id, seq });
        this.at.set(id, Math.max(from, reply.seq));
        if (reply.ended) {
          this.at.delete(id);
          this.say("done", { message: { id, seq: reply.seq } });
        }
      }
    }
  };

  const hub = new Hub();
  const tabs = [];
  class Tab {
    constructor() {
      this.replies = new Map();
      this.visible = true;
      this.told = new Map();
      this.port = { postMessage: (message) => this.hear(message) };
      hub.connect(this.port);
      tabs.push(this);
    }
    show(wake = false) {
      const message = { type: "show", address: "http://x/api/events", visible: this.visible, wake };
      this.port.onmessage({ data: { ...message, replies: Object.fromEntries(this.replies) } });
    }
    hear({ type, id, data }) {
      if (type === "delta") {
        if (!this.replies.has(id)) throw new Error(`told of ${id}, which it does not show`);
        if (!this.visible) throw new Error("a hidden tab is told a piece");
        if (data.seq !== this.replies.get(id) + 1) throw new Error(`${id}: ${data.seq} after ${this.replies.get(id)}`);
        this.replies.set(id, data.seq);
      } else if (type === "done") {
        if (!this.replies.delete(id)) throw new Error(`the end of ${id} twice`);
      }
    }
  }
  const OFTEN = [
    ...["tab", "tab", "follow", "follow", "follow", "leave", "hide", "hide", "bye", "cut", "silence", "ping", "end"],
    ...Array(6).fill(["write", "wait", "answer"]).flat(),
  ];
  const each = (list) => list[random(list.length)];
  const doings = {
    tab: () => tabs.length < 5 && new Tab().show(),
    follow: () => {
      const [tab, reply] = [each(tabs), each(replies)];
      if (!tab || tab.replies.has(reply.id)) return;
      tab.replies.set(reply.id, random(reply.seq + 1));
      tab.show();
    },
    leave: () => {
      const tab = each(tabs);
      tab?.replies.clear();
      tab?.show();
    },
    hide: () => {
      const tab = each(tabs);
      if (!tab) return;
      tab.visible = !tab.visible;
      tab.show(tab.visible);
    },
    bye: () => tabs.length && tabs.splice(random(tabs.length), 1)[0].port.onmessage({ data: { type: "bye" } }),
    write: () => { const reply = each(replies); if (!reply.ended) reply.seq += 1 + random(3); },
    end: () => random(3) === 0 && (each(replies).ended = true),
    answer: () => [...sources].forEach((source) => source.answer()),
    cut: () => [...sources].forEach((source) => { if (sources.delete(source)) source.onerror(); }),
    silence: () => random(3) === 0 && [...sources].forEach((source) => (source.deaf = true)),
    wait: () => advance(each([0, 0, 0, 50, 50, 1000, 1000, 6000, 45000])),
    ping: () => tabs.forEach((tab) => tab.show()),
  };
  try {
    for (let step = 0; step < STEPS; step++) {
      const doing = each(OFTEN);
      trace.push(doing);
      doings[doing]();
    }
    const rest = (visible) => {
      for (const tab of tabs) Object.assign(tab, { visible }).show(visible);
      for (let round = 0; round < 40; round++) {
        advance(3000);
        doings.ping();
        doings.answer();
      }
    };
    rest(true);
    const behind = (tab) => [...tab.replies].some(([id, seq]) => seq < replies.find((one) => one.id === id).seq);
    if (tabs.some(behind)) throw new Error("a tab is behind");
    rest(false);
    if ([...sources].some(({ at }) => at.size)) throw new Error("pieces come for nobody");
    for (const reply of replies) reply.ended = true;
    rest(true);
    const left = tabs.filter((tab) => tab.replies.size);
    if (left.length) throw new Error(`not told to the end: ${left.map((tab) => [...tab.replies])}`);
    if (most > 2) throw new Error(`${most} connections at once`);
    if (sources.size > (tabs.length ? 1 : 0)) throw new Error(`${sources.size} connections are left`);
    return null;
  } catch (error) {
    return `${error.message}: ${trace.join(" ")}`;
  }
}
