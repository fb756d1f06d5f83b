// What the page keeps in this browser: JSON values under names. Where storage is blocked or full they are kept in memory
// for this page's life, and the bus is told once (`unkept`).

import { bus } from "./bus.js";

/** @type {Map<string, string | null>} */
const memory = new Map(); // name -> JSON text, or null for removed: what the browser's storage did not take
const lasts = !globalThis.webchatConfig?.fleeting?.includes("localStorage"); // not a stand-in of guard.js
let told = false;

export const storage = {
  lasts, // longer than this page

  /** @param {string} name @returns {any} */
  get(name) {
    const text = memory.get(name) ?? (memory.has(name) ? null : stored(() => localStorage.getItem(name), null));
    try {
      return JSON.parse(text ?? "null");
    } catch {
      return null; // not ours
    }
  },

  // Written before it returns. False when it is in memory alone.
  /** @param {string} name @param {unknown} value */
  set(name, value) {
    const text = JSON.stringify(value);
    try {
      write(name, text);
      memory.delete(name);
      settle();
      return true;
    } catch {
      memory.set(name, text);
      if (!told) bus.emit("unkept");
      told = true;
      return false;
    }
  },

  /** @param {string} name */
  remove(name) {
    memory.delete(name);
    if (stored(() => (localStorage.removeItem(name), localStorage.getItem(name)), null) !== null) memory.set(name, null);
    settle();
  },

  // Whether anything under a name that begins with `prefix` will be gone with this page.
  /** @param {string} prefix */
  fleeting(prefix) {
    settle();
    return [...memory].some(([name, text]) => text !== null && name.startsWith(prefix));
  },

  // A choice of the page itself, as plain text, which is read before the first paint.
  /** @param {string} name @param {string} text */
  setText(name, text) {
    stored(() => localStorage.setItem(name, text), undefined);
  },

  // The names that begin with `prefix`, in no order.
  /** @param {string} prefix */
  names(prefix) {
    const all = new Set(stored(() => Object.keys(localStorage), []));
    memory.forEach((text, name) => (text === null ? all.delete(name) : all.add(name)));
    return [...all].filter((name) => name.startsWith(prefix));
  },
};

/** @param {string} name @param {string} text */
function write(name, text) {
  if (!lasts) throw new Error("not kept");
  localStorage.setItem(name, text);
}

// There may be room by now.
function settle() {
  for (const [name, text] of memory) {
    if (text === null) continue;
    try {
      write(name, text);
      memory.delete(name);
    } catch {
      return;
    }
  }
}

/** @template Kept @param {() => Kept} read @param {Kept} otherwise */
function stored(read, otherwise) {
  try {
    return read();
  } catch {
    return otherwise; // blocked
  }
}
