// Who this page is: its tab, and the owner it works for. What is kept in the browser belongs to both.
//
//   sessionStorage webchat.tab         {id, left}: a tab keeps its id over reloads. The browser copies it into a duplicated
//                                      tab, which finds the id taken and makes one of its own.
//   Web Lock webchat-tab-<id>          held as long as the page lives; a crash releases it.
//   localStorage webchat.alive.<id>    the time of the last sign of life, where there are no locks (plain http, or blocked).
//                                      After a crash it is still fresh; a tab that lives answers when called by its id.

import { bus } from "./bus.js";
import { channel } from "./channel.js";
import { storage } from "./storage.js";

const TAB = "webchat.tab";
const ALIVE = "webchat.alive.";
const LOCK = "webchat-tab-";
const BEAT = 5000; // ms between signs of life
const GONE = 150_000; // ms without one: browsers wake a hidden tab's timers once a minute only
const ANSWER = 500; // ms in which a tab answers its call
const RELEASE = 2000; // ms that the page before this one, in the same tab, may take to let go of the id

const calls = channel("webchat-tabs");

/** @type {LockManager | null} */
let locks = null; // the browser's, where this page may use them
/** @type {string | null} */
let tab = null;
let owner = "";

export const identity = {
  get tab() {
    return tab;
  },

  // Id of the owner as the server tells it; "" until it has.
  get owner() {
    return owner;
  },

  // Takes the tab's id; nothing is kept for this tab before.
  async open() {
    locks = await usableLocks();
    const before = remembered();
    const taken = before?.id && (await claim(before.id, before.left));
    tab = taken ? before.id : token();
    if (!taken) await claim(tab, false);
    remember(false);
    addEventListener("pagehide", () => {
      remember(true);
      storage.remove(ALIVE + tab);
    });
    addEventListener("pageshow", ({ persisted }) => {
      if (!persisted) return;
      remember(false);
      if (!locks) beat();
    });
  },

  // The server has said who this is. Another one than before: nothing of this page is theirs.
  /** @param {string} id */
  own(id) {
    if (id === owner) return;
    const before = owner;
    owner = id;
    bus.emit("owner", { owner, before });
  },

  // Runs `work` while no other tab runs its own: takes over what a closed tab left, exactly once.
  /** @template Done @param {() => Promise<Done>} work @returns {Promise<Done>} */
  alone(work) {
    return locks ? locks.request("webchat-adopting", work) : work();
  },

  // Ids of the tabs that live, this one too.
  async living() {
    const living = new Set([tab]);
    if (locks) {
      const { held = [] } = await locks.query();
      for (const { name = "" } of held) if (name.startsWith(LOCK)) living.add(name.slice(LOCK.length));
    } else {
      for (const name of storage.names(ALIVE)) {
        if (Date.now() - storage.get(name) < GONE) living.add(name.slice(ALIVE.length));
        else storage.remove(name);
      }
    }
    return living;
  },
};

// 32 hex digits. crypto.randomUUID exists on secure origins only, and a server in the house is often plain http.
export function token() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Where storage is blocked, asking for a lock is refused, too.
async function usableLocks() {
  try {
    await navigator.locks.query();
    return navigator.locks;
  } catch {
    return null;
  }
}

// Whether the id is this page's from now on. left: the page that had it last went away properly, so it is free soon.
/** @param {string} id @param {boolean} left @returns {Promise<boolean>} */
function claim(id, left) {
  const manager = locks;
  if (!manager) return claimByBeat(id);
  return new Promise((resolve) => {
    /** @type {LockOptions} */
    const options = left ? { signal: AbortSignal.timeout(RELEASE) } : { ifAvailable: true };
    /** @param {Lock | null} lock */
    const hold = (lock) => {
      resolve(lock !== null);
      return lock && new Promise(() => {});
    };
    manager.request(LOCK + id, options, hold).catch(() => resolve(false));
  });
}

/** @param {string} id */
async function claimByBeat(id) {
  if (Date.now() - (storage.get(ALIVE + id) ?? 0) < GONE && (await answers(id))) return false;
  calls?.addEventListener("message", ({ data }) => data.call === id && calls.postMessage({ here: id }));
  beat(id);
  setInterval(beat, BEAT);
  return true;
}

/** @param {string} id @returns {Promise<boolean>} */
async function answers(id) {
  if (!calls) return true;
  return new Promise((resolve) => {
    calls.addEventListener("message", ({ data }) => data.here === id && resolve(true));
    calls.postMessage({ call: id });
    setTimeout(() => resolve(false), ANSWER);
  });
}

/** @param {string | null} [id] */
function beat(id = tab) {
  if (id) storage.set(ALIVE + id, Date.now());
}

/** @returns {{ id: string, left: boolean } | null} */
function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(TAB) ?? "null");
  } catch {
    return null;
  }
}

/** @param {boolean} left */
function remember(left) {
  try {
    sessionStorage.setItem(TAB, JSON.stringify({ id: tab, left }));
  } catch {
    // blocked: the tab is a new one after a reload
  }
}
