// What is sent stays here until the server has answered, through reloads, crashes and other chats. An entry is written
// before its words leave the box; every try has the entry's key, so however often it arrives it is one turn.
//
//   localStorage webchat.outbox.<key>   an entry:
//     key      the client key of the turn
//     owner, tab   whose it is; what a closed tab left, the next tab takes over
//     at       ms since epoch when it was written; asked: when its writer last wanted it sent
//     ask      the body of POST api/turns without its key: words, settings, model, template, ids
//     files    ids of what goes with it (none yet)
//     under    id of the message it is shown under, null at the root
//     begun    {text, reasoning} a continued reply begins with, or null
//     state    sending | unsent (not reached or not taken now: tried again by itself) | refused (its writer's turn)
//     why      the refusal {code, message, cure, params}, or null
//     stop     true when its reply is to be stopped as soon as it is known
//
// The bus is told: outbox {what: "changed" | "refused" | "answered" | "taken", entry, answer?}

import { api } from "./api.js";
import { bus } from "./bus.js";
import { identity, token } from "./identity.js";
import { stops } from "./stops.js";
import { storage } from "./storage.js";

/** @import { Ask, Entry, Failure, BegunTurn } from "./types.js" */

const PREFIX = "webchat.outbox.";
const DEADLINE = 30; // seconds: a message may be read by a guard before the answer comes
const QUICK = 2; // tries again before it is told
const FIRST_WAIT = 800; // ms
const LONGEST_WAIT = 30_000;
const ONLINE_WAIT = 2500; // ms at least between two tries when the server seems to be back
const PATIENCE = 8000; // ms in which it is being sent, however many tries that takes
const LOOK = 15_000; // ms between two looks for what closed tabs left
const FRESH = 24 * 3600 * 1000; // ms in which it is sent by itself; later its writer is asked

/** @type {Set<string | undefined>} */
const LATER = new Set(["network", "not_accepting", "server_full", "link_paused"]); // codes that say nothing of the message itself

/** @type {Set<string>} */
const flying = new Set(); // keys whose try is on its way
/** @type {Map<string, { count: number, at: number }>} */
const tries = new Map(); // key -> {count, at}
/** @type {Map<string, number>} */
const timers = new Map();

export const outbox = {
  prefix: PREFIX, // of the names of entries

  // Returns the entry, which is kept by then and on its way.
  /** @param {Ask} ask @param {{ under: string | null, begun?: Entry["begun"], key?: string }} place @returns {Entry} */
  add(ask, { under, begun = null, key = token() }) {
    const { owner, tab } = identity;
    const now = Date.now();
    /** @type {Entry} */
    const entry = { key, owner, tab, at: now, asked: now, ask, files: [], under, begun, state: "sending", why: null, stop: false };
    keep(entry);
    deliver(key);
    return entry;
  },

  /** @param {string} key */
  get(key) {
    return mine(storage.get(PREFIX + key));
  },

  // This tab's entries of a conversation (null: of new ones), the oldest first.
  /** @param {string | null} conversationId */
  at(conversationId) {
    return all().filter(({ ask }) => (ask.conversation_id ?? null) === conversationId);
  },

  // Its writer wants it sent as it is.
  /** @param {string} key */
  retry(key) {
    const entry = outbox.get(key);
    if (!entry || flying.has(key)) return;
    tries.delete(key);
    keep({ ...entry, asked: Date.now(), state: "sending", why: null });
    deliver(key);
  },

  // Its words are with their writer again, or given up.
  /** @param {string} key */
  take(key) {
    const entry = outbox.get(key);
    if (entry) drop(entry, "taken");
    return entry;
  },

  /** @param {string} key */
  stop(key) {
    const entry = outbox.get(key);
    if (entry) keep({ ...entry, stop: true });
  },

  // From here on what waits is sent: when the page begins, and whenever the server is back.
  async open() {
    bus.on("connection", ({ online }) => online && flush());
    bus.on("owner", ({ before }) => before === "" && claim());
    addEventListener("online", flush);
    document.addEventListener("visibilitychange", () => !document.hidden && adopt());
    setInterval(adopt, LOOK);
    await claim();
  },
};

/** @param {Entry | null} entry @returns {Entry | null} */
function mine(entry) {
  return entry && entry.owner === identity.owner && entry.tab === identity.tab ? entry : null;
}

/** @returns {Entry[]} */
const kept = () => storage.names(PREFIX).map((name) => storage.get(name)).filter(Boolean);

/** @returns {Entry[]} */
function all() {
  return kept().filter(mine).sort((a, b) => a.at - b.at || (a.key < b.key ? -1 : 1));
}

/** @param {Entry} entry @param {"changed" | "refused"} [what] */
function keep(entry, what = "changed") {
  storage.set(PREFIX + entry.key, entry);
  bus.emit("outbox", { what, entry });
}

/** @param {Entry} entry @param {"answered" | "taken"} what @param {BegunTurn} [answer] */
function drop(entry, what, answer) {
  clearTimeout(timers.get(entry.key));
  timers.delete(entry.key);
  tries.delete(entry.key);
  storage.remove(PREFIX + entry.key);
  bus.emit("outbox", { what, entry, answer });
  flush();
}

// What this tab sent before the server said whose it is.
async function claim() {
  const { owner, tab } = identity;
  if (!owner) return;
  for (const entry of kept()) if (entry.owner === "" && entry.tab === tab) keep({ ...entry, owner });
  await adopt();
  flush();
}

// What a closed tab left is sent from here. Of what it left without an owner the writer is asked.
async function adopt() {
  const { owner, tab } = identity;
  /** @param {Entry} entry */
  const foreign = (entry) => (entry.owner === owner || entry.owner === "") && entry.tab !== tab;
  if (!owner || !kept().some(foreign)) return;
  await identity.alone(async () => {
    const living = await identity.living();
    for (const entry of kept()) {
      if (!foreign(entry) || living.has(entry.tab)) continue;
      const asked = entry.owner === "" ? 0 : entry.asked;
      keep({ ...entry, owner, tab, asked, state: entry.state === "sending" ? "unsent" : entry.state });
    }
  });
  flush();
}

// Tries again what waits and whose time has come.
function flush() {
  for (const entry of all()) {
    const { key, state } = entry;
    const tried = tries.get(key);
    if (state === "refused" || flying.has(key)) continue;
    if (stale(entry)) state === "sending" && keep({ ...entry, state: "unsent" });
    else if (!tried) deliver(key);
    else later(key, Math.min(waitAfter(tried.count), ONLINE_WAIT) - (Date.now() - tried.at));
  }
}

/** @param {Entry} entry */
const stale = ({ asked }) => Date.now() - asked > FRESH;

/** @param {number} count */
const waitAfter = (count) => Math.min(LONGEST_WAIT, FIRST_WAIT * 3 ** (count - 1));

/** @param {string} key @param {number} wait */
function later(key, wait) {
  clearTimeout(timers.get(key));
  timers.set(key, setTimeout(() => deliver(key), Math.max(0, wait)));
}

// An earlier one of the same conversation goes first.
/** @param {Entry} entry */
function blocked(entry) {
  const { conversation_id: place } = entry.ask;
  /** @param {Entry} other */
  const waits = (other) => other.ask.conversation_id === place && other.state !== "refused" && !stale(other);
  return place && all().some((other) => other.at < entry.at && waits(other));
}

/** @param {string} key */
function deliver(key) {
  clearTimeout(timers.get(key));
  const entry = outbox.get(key);
  if (!entry?.owner || flying.has(key) || entry.state === "refused" || blocked(entry)) return;
  flying.add(key);
  post(entry);
}

/** @param {Entry} sent */
async function post(sent) {
  const { key, owner, ask } = sent;
  /** @type {BegunTurn} */
  let answer;
  try {
    answer = await api.post("api/turns", { ...ask, client_key: key, owner }, { seconds: DEADLINE });
  } catch (refusal) {
    flying.delete(key);
    const entry = outbox.get(key);
    if (entry) failed(entry, refusal);
    return;
  }
  flying.delete(key);
  const entry = outbox.get(key);
  if (entry?.stop) stops.want(answer.reply.id).catch(() => {}); // it has ended by itself
  drop(entry ?? sent, "answered", answer); // also when its writer took it back, too late
}

/** @param {Entry} entry @param {Failure} failure */
function failed(entry, { code, message, cure, params, status }) {
  const { key } = entry;
  const tried = { count: (tries.get(key)?.count ?? 0) + 1, at: Date.now() };
  tries.set(key, tried);
  const why = code === "network" ? null : { code, message, cure, params };
  const held = status === 401 || code === "other_owner"; // until its owner is back
  if (!LATER.has(code) && !held) return keep({ ...entry, state: "refused", why }, "refused");
  const told = tried.count > QUICK || Date.now() - entry.asked > PATIENCE || navigator.onLine === false || held;
  if (told && (entry.state !== "unsent" || entry.why?.code !== why?.code)) keep({ ...entry, state: "unsent", why });
  if (!held) later(key, waitAfter(tried.count) * (0.75 + Math.random() / 2));
}
