// One event target for the whole page. Its events and their details: `Events` in types.d.ts.

/** @import { Events } from "./types.js" */

const target = new EventTarget();

export const bus = {
  /** @template {keyof Events} K @param {K} name @param {Events[K] | {}} [detail] */
  emit(name, detail = {}) {
    target.dispatchEvent(new CustomEvent(name, { detail }));
  },

  // Returns what ends it.
  /** @template {keyof Events} K @param {K} name @param {(detail: Events[K]) => void} handler */
  on(name, handler) {
    /** @param {any} event */
    const listener = (event) => handler(event.detail);
    target.addEventListener(name, listener);
    return () => target.removeEventListener(name, listener);
  },
};
