// What is being written, place by place, from the keystroke until its writer sends, saves or discards it. Each tab has a
// draft of its own for each place; what a closed tab left, the next tab that opens the place takes over, exactly once.
//
//   localStorage webchat.draft.<owner>.<tab>.<place>   {at, value}; at: ms since epoch of the last change
//
// Places: "new", the id of a conversation (value: {text, template?, sent?}), "settings:<either>", "edit:<message>",
// "template:<id|new>", "chat-template:<model>", "variables:<template>". An owner of "" is one the server has not named yet.

import { identity } from "./identity.js";
import { storage } from "./storage.js";

const PREFIX = "webchat.draft.";
const KEPT = 90 * 24 * 3600 * 1000; // ms that what a closed tab left waits for somebody to open its place

const nameOf = (place, owner = identity.owner) => `${PREFIX}${owner}.${identity.tab}.${place}`;

function partsOf(name) {
  const [owner, tab, ...place] = name.slice(PREFIX.length).split(".");
  return { owner, tab, place: place.join(".") };
}

export const drafts = {
  get(place) {
    return storage.get(nameOf(place))?.value ?? null;
  },

  // Kept before it returns; `null` discards.
  put(place, value) {
    if (value === null) storage.remove(nameOf(place));
    else storage.set(nameOf(place), { at: Date.now(), value });
  },

  // The newest draft that closed tabs left for each of the places is this tab's from now on, where it has none of its own.
  // Resolves to the places where that happened.
  async adopt(...places) {
    const wanted = () => others().filter(({ place }) => places.includes(place) && drafts.get(place) === null);
    if (!wanted().length) return [];
    return identity.alone(async () => {
      const living = await identity.living();
      const left = wanted().filter(({ tab }) => !living.has(tab)).sort((a, b) => b.at - a.at);
      const adopted = left.filter(({ place }, at) => left.findIndex((one) => one.place === place) === at);
      for (const { name, place, at, value } of adopted) {
        storage.set(nameOf(place), { at, value });
        storage.remove(name);
      }
      return adopted.map(({ place }) => place);
    });
  },

  // What was written before the server said whose it is.
  claim() {
    for (const name of storage.names(nameOf("", ""))) {
      const { place } = partsOf(name);
      const kept = storage.get(name);
      storage.remove(name);
      if (kept?.value && drafts.get(place) === null) storage.set(nameOf(place), kept);
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

// This owner's drafts in other tabs.
function others() {
  const { owner, tab } = identity;
  if (!owner) return [];
  const all = storage.names(`${PREFIX}${owner}.`).map((name) => ({ name, ...partsOf(name), ...storage.get(name) }));
  return all.filter((one) => one.tab !== tab && one.value);
}
