// Replies that are to be stopped, kept until the server has heard it: Stop works offline, too.
//
//   localStorage webchat.stop.<owner>.<message>   ms since epoch when it was wanted
//
// Whichever tab of the owner reaches the server first tells it; twice does no harm. The bus is told: stop {id, waiting}

import { api } from "./api.js";
import { bus } from "./bus.js";
import { identity } from "./identity.js";
import { storage } from "./storage.js";

const PREFIX = "webchat.stop.";
const FRESH = 3600 * 1000; // ms; after that the reply has long ended

/** @param {string} id */
const nameOf = (id) => `${PREFIX}${identity.owner}.${id}`;
/** @type {Set<string>} */
const telling = new Set();

export const stops = {
  // Resolves once the server knows, or could not be reached. Rejects with the ApiError of a refusal.
  /** @param {string} id */
  async want(id) {
    storage.set(nameOf(id), Date.now());
    return tell(id);
  },

  /** @param {string} id */
  wanted(id) {
    return storage.get(nameOf(id)) !== null;
  },

  open() {
    bus.on("connection", ({ online }) => online && flush());
    flush();
  },
};

function flush() {
  const before = nameOf("");
  for (const name of storage.names(before)) {
    if (Date.now() - storage.get(name) > FRESH) storage.remove(name);
    else tell(name.slice(before.length)).catch(() => {});
  }
}

/** @param {string} id */
async function tell(id) {
  if (telling.has(id)) return;
  telling.add(id);
  try {
    await api.post(`api/messages/${id}/stop`);
    storage.remove(nameOf(id));
    bus.emit("stop", { id, waiting: false });
  } catch (error) {
    if (!error.offline && error.status !== 401) storage.remove(nameOf(id));
    bus.emit("stop", { id, waiting: error.offline });
    if (!error.offline) throw error;
  } finally {
    telling.delete(id);
  }
}
