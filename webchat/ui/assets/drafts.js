// What is being written, place by place, from the keystroke until its writer sends, saves or discards it. Each tab has a
// draft of its own for each place; what a closed tab left, the next tab that opens the place takes over, exactly once. What
// was written before the server said whose it is belongs to the first owner whom it names.
//
//   localStorage webchat.draft.<owner>.<tab>.<place>   {at, value}; at: ms since epoch of the last change
//
// Places: "new", the id of a conversation (value: {text, template?, sent?}), "settings:<either>", "edit:<message>", "better:<message>",
// "template:<id|new>", "variables:<template>". An owner of "" is one the server has not named yet.

import { identity } from "./identity.js";
import { storage } from "./storage.js";

const PREFIX = "webchat.draft.";
const KEPT = 90 * 24 * 3600 * 1000; // ms that what a closed tab left waits for somebody to open its place

/** @param {string} place @param {string} [owner] */
const nameOf = (place, owner = identity.owner) => `${PREFIX}${owner}.${identity.tab}.${place}`;

/** @param {string} name */
function partsOf(name) {
  const [owner, tab, ...place] = name.slice(PREFIX.length).split(".");
  return { owner, tab, place: place.join(".") };
}

export const drafts = {
  prefix: PREFIX, // of their names in the browser's storage

  /** @param {string} place @returns {any} */
  get(place) {
    return storage.get(nameOf(place))?.value ?? null;
  },

  // Kept before it returns; `null` discards.
  /** @param {string} place @param {unknown} value */
  put(place, value) {
    if (value === null) storage.remove(nameOf(place));
    else storage.set(nameOf(place), { at: Date.now(), value });
  },

  // The newest draft that closed tabs left for each of the places is this tab's from now on, where it has none of its own.
  // take(place): called for each where that happens, before anything else can be written there. Resolves to the places.
  /** @param {string[]} places @param {(place: string) => void} [take] */
  async adopt(places, take) {
    const wanted = () => others().filter(({ place }) => places.includes(place) && drafts.get(place) === null);
    if (!wanted().length) return [];
    return identity.alone(async () => {
      const living = await identity.living();
      const left = wanted().filter(({ tab }) => !living.has(tab)).sort((a, b) => b.at - a.at);
      const adopted = left.filter(({ place }, at) => left.findIndex((one) => one.place === place) === at);
      for (const { name, place, at, value } of adopted) {
        storage.set(nameOf(place), { at, value });
        storage.remove(name);
        take?.(place);
      }
      return adopted.map(({ place }) => place);
    });
  },

  // What this tab wrote before the server said whose it is.
  claim() {
    if (!identity.owner) return;
    for (const name of storage.names(nameOf("", ""))) move(name, nameOf(partsOf(name).place));
  },

  // Words of a place that is none are kept at another one.
  /** @param {string} from @param {string} to */
  move(from, to) {
    move(nameOf(from), nameOf(to));
  },

  // What was sent from `place` with this key has arrived after all, when its words were their writer's again. True when they
  // were still the same: there is nothing left to write then.
  /** @param {string} place @param {string} key */
  arrived(place, key) {
    const draft = drafts.get(place);
    const same = draft?.sent?.key === key && draft.sent.text === draft.text;
    if (same) drafts.put(place, null);
    return same;
  },

  // Those of all chats are gone, in every tab; what was begun for a new chat, or for a template, stays.
  discardChats() {
    for (const name of storage.names(PREFIX)) {
      const { owner, place } = partsOf(name);
      if (owner === identity.owner && ofChat(place)) storage.remove(name);
    }
  },

  async prune() {
    const living = await identity.living();
    for (const name of storage.names(PREFIX)) {
      const at = storage.get(name)?.at;
      if (!living.has(partsOf(name).tab) && Date.now() - at > KEPT) storage.remove(name);
    }
  },
};

/** @param {string} place */
function ofChat(place) {
  const [kind, rest] = place.split(":");
  return rest === undefined ? kind !== "new" : kind === "edit" || (kind === "settings" && rest !== "new");
}

// Words join those that are there already; of other things the newer stays.
/** @param {string} from @param {string} to */
function move(from, to) {
  const kept = storage.get(from);
  const before = storage.get(to)?.value;
  storage.remove(from);
  if (!kept?.value) return;
  const { at, value } = kept;
  const both = before?.text && value.text;
  storage.set(to, both ? { at, value: { ...before, text: `${before.text}\n\n${value.text}`, sent: null } } : kept);
}

// This owner's drafts in other tabs, and nobody's.
function others() {
  const { owner, tab } = identity;
  if (!owner) return [];
  const all = storage.names(PREFIX).map((name) => ({ name, ...partsOf(name), ...storage.get(name) }));
  return all.filter((one) => one.tab !== tab && one.value && (one.owner === owner || one.owner === ""));
}
