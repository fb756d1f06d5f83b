// What the conversation on the screen is to be answered with: its model, system prompt and sampling, the persona
// (a template, its version and values) whose text the system prompt is, and the inputs of a function.
// An existing conversation is patched; a new one holds its settings here until its first message. Every ask carries them
// along, so what is shown is what is used. What is not saved yet is kept as a draft.

import { api } from "./api.js";
import { bus } from "./bus.js";
import { drafts } from "./drafts.js";
import { errorLine, errorText, t } from "./i18n.js";
import { storage } from "./storage.js";
import { toast } from "./toast.js";

/** @import { Conversation, Model, ModelList, Settings } from "./types.js" */
/** @typedef {{ id: string | null }} Chat */

const LAST_MODEL = "webchat.model";

/** @type {Settings} */
const EMPTY = { model: null, system_prompt: null, sampling: {}, persona: null };

// asked: the settings an ask on its way carries, for its conversation; stored ones that are these are not newer than
// what was chosen since.
// written: something is being written that differs from these settings. known: whether the server's settings of this conversation have come.
// wanted: what the server says of a model that was chosen and is not in its list, by what was asked for.
// early: what was chosen before they came, to be chosen again on top of them.
// saves: of each conversation, its changes that are being written. saved: counts those that were. chat: the one on the screen, the same object when a new
// one gets its id.
/** @type {{ id: string | null, known: boolean, settings: Settings, models: Model[], fallback: string | null, wanted: Map<string, Model | null>, saves: Map<string, Promise<Conversation>>, saved: number, asked: Settings | null, written: boolean, early: Partial<Settings> | null, chat: Chat }} */
const state = { id: null, known: true, settings: EMPTY, models: [], fallback: null, wanted: new Map(), saves: new Map(), saved: 0, asked: null, written: false, early: null, chat: { id: null } };

/** @param {string | null} id */
const place = (id) => `settings:${id ?? "new"}`;
/** @param {unknown} one @param {unknown} other */
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

export const settings = {
  get current() {
    return state.settings;
  },

  get models() {
    return state.models;
  },

  // The key of the model the next message goes to, or the name it was chosen by. What a chat was begun with stays, here
  // or not: no other model takes its place unasked.
  get model() {
    const last = state.id === null ? storage.get(LAST_MODEL) : null;
    const wish = state.settings.model ?? (last && !settings.find(last)?.missing ? last : null);
    return wish ? (listed(wish)?.key ?? wish) : ((listed(state.fallback) ?? state.models[0])?.key ?? null);
  },

  get info() {
    return settings.find(settings.model);
  },

  // What is known of a model by its key or its name; null until the server has said.
  /** @param {string | null} wanted @returns {Model | null} */
  find(wanted) {
    return (wanted && (listed(wanted) ?? state.wanted.get(wanted))) || null;
  },

  // The chosen model that the list does not have, to be asked about.
  get unlisted() {
    const { model } = settings;
    return model && !listed(model) ? model : null;
  },

  /** @param {ModelList} list @param {string | null} [asked] */
  setModels({ models, default: fallback, wanted }, asked = null) {
    Object.assign(state, { models, fallback });
    if (asked) state.wanted.set(asked, wanted);
    bus.emit("models", { models, default: fallback });
  },

  // What an ask carries; nothing before the conversation's own settings are here, so that they are not overwritten.
  forAsk() {
    if (!state.known) return {};
    state.asked = state.settings;
    const model = settings.info?.unlisted ? null : settings.model; // an endpoint names its models when it is asked
    return { model, settings: state.settings };
  },

  // Another conversation is on the screen, or the same one with fresh settings.
  /** @param {string | null} id @param {Partial<Settings>} [stored] */
  show(id, stored) {
    if (id !== null && id === state.id && state.saves.has(id)) return; // what was read is older than what is being written
    if (id !== state.id) {
      state.asked = null;
      state.written = false;
      state.early = null;
      state.chat = { id };
      adopt(id);
    }
    const fresh = clean(stored);
    const unsaved = drafts.get(place(id));
    state.known = id === null || Boolean(stored) || (state.known && id === state.id);
    state.id = id;
    if (unsaved && (id === null || stored)) restore(fresh, clean(unsaved));
    else if (stale(fresh)) save();
    else {
      const known = same(fresh, state.settings);
      state.settings = fresh;
      if (!known) announce();
    }
    const { early } = state;
    if (!state.known || !early) return;
    state.early = null;
    const { sampling } = early;
    const whole = !sampling || !Object.keys(sampling).length; // none is a choice too
    settings.update(whole ? early : { ...early, sampling: { ...state.settings.sampling, ...sampling } });
  },

  // The new chat got its record with the first message; it was made with what was held here.
  /** @param {Conversation} conversation */
  adopt(conversation) {
    const fresh = clean(conversation.settings);
    drafts.put(place(null), null);
    state.id = state.chat.id = conversation.id;
    state.known = true;
    if (stale(fresh)) return void save();
    state.settings = fresh;
    announce();
  },

  // A model that cannot answer says why at once; who wants it all the same may try.
  /** @param {string} name */
  choose(name) {
    const chosen = listed(name);
    const key = chosen?.key ?? name;
    if (chosen?.failure && key !== settings.model) toast(errorLine(chosen.failure), { kind: "error" });
    storage.set(LAST_MODEL, key);
    bus.emit("model", { name: key });
    return settings.update({ model: key });
  },

  /** @param {Partial<Settings>} changes */
  differ(changes) {
    return !same(clean({ ...state.settings, ...changes }), state.settings);
  },

  // Changes that are still being written: kept, not saved.
  /** @param {Partial<Settings>} changes */
  keep(changes) {
    const written = settings.differ(changes);
    if (written || state.written) drafts.put(place(state.id), clean({ ...state.settings, ...changes }));
    state.written = written;
  },

  undo,

  // The chat on the screen, to be compared with later: what was meant for one is not for another.
  get chat() {
    return state.chat;
  },

  // A conversation that was read while this grew may have settings from before.
  get saved() {
    return state.saved;
  },

  /** @param {Partial<Settings>} changes */
  async update(changes) {
    if (!settings.differ(changes)) return true;
    state.settings = clean({ ...state.settings, ...changes });
    announce();
    if (state.known) return save();
    state.early = { ...state.early, ...changes };
    return true;
  },
};

// What brings these settings back to the chat they are of, whichever is on the screen by then.
function undo() {
  const { chat, settings: before } = state;
  return async () => {
    if (chat === state.chat) return settings.update(before);
    drafts.put(place(chat.id), before); // it is restored when that chat is shown
    return true;
  };
}

/** @param {string | null} wanted */
const listed = (wanted) => state.models.find(({ key, name }) => wanted && (key === wanted || name === wanted));

// What was chosen and never saved, because the page went away: it is shown again, and saved.
/** @param {Settings} stored @param {Settings} unsaved */
function restore(stored, unsaved) {
  state.settings = unsaved;
  announce();
  if (state.id !== null && same(stored, unsaved)) drafts.put(place(state.id), null);
  else if (state.id !== null) save();
}

// A closed tab left changes of this conversation behind: they hold again, unless that is not wanted.
/** @param {string | null} id */
async function adopt(id) {
  if (!(await drafts.adopt([place(id)])).length || id !== state.id) return;
  const before = state.settings;
  const onclick = settings.undo();
  restore(before, clean(drafts.get(place(id))));
  if (!same(before, state.settings)) toast(t("drawer.restored"), { action: { label: t("app.undo"), onclick }, seconds: 20 });
}

// Whether what the server has is what an ask carried, while something newer has been chosen since.
/** @param {Settings} stored */
function stale(stored) {
  const { asked } = state;
  if (!asked || !same({ ...stored, model: null }, { ...asked, model: null })) return false;
  state.asked = null;
  return !same(asked, state.settings);
}

async function save() {
  const { id } = state;
  drafts.put(place(id), state.settings);
  if (id === null) return true;
  const sent = state.settings;
  /** @returns {Promise<Conversation>} */
  const write = () => api.patch(`api/conversations/${id}`, { settings: sent });
  // One after the other, so that what was chosen last is what is stored.
  const written = state.saves.get(id)?.then(write, write) ?? write();
  state.saves.set(id, written);
  const done = () => state.saves.get(id) === written && state.saves.delete(id);
  try {
    const conversation = await written;
    if (same(drafts.get(place(id)), sent)) drafts.put(place(id), null);
    done();
    state.saved += 1;
    bus.emit("conversation", { conversation });
    return true;
  } catch (error) {
    done();
    // A refusal is for its writer to mend; what could not be reached is saved with the next message, or the next visit.
    if (!error.offline && same(drafts.get(place(id)), sent)) drafts.put(place(id), null);
    toast(`${t("drawer.save_failed")} ${errorText(error).message}`, { kind: "error" });
    return false;
  }
}

function announce() {
  bus.emit("settings", { settings: state.settings });
}

// Only what is set: an absent sampling field is the model's own default, an absent persona is none.
/** @param {Partial<Settings> | null} [stored] @returns {Settings} */
function clean(stored) {
  const { model, system_prompt, sampling, persona, inputs } = { ...EMPTY, ...stored };
  const set = (/** @type {[string, unknown]} */ [, value]) => value !== null && value !== undefined && !(Array.isArray(value) && !value.length);
  const chosen = Object.entries(inputs ?? {});
  return { model, system_prompt, sampling: Object.fromEntries(Object.entries(sampling ?? {}).filter(set).sort()), persona, ...(chosen.length && { inputs: Object.fromEntries(chosen.sort()) }) };
}
