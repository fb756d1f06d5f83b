// What the conversation on the screen is to be answered with: its model, system prompt and sampling, and the persona
// (a template, its version and values) whose text the system prompt is.
// An existing conversation is patched; a new one holds its settings here until its first message.

import { api } from "./api.js";
import { bus } from "./bus.js";
import { errorLine, errorText, t } from "./i18n.js";
import { toast } from "./toast.js";

const LAST_MODEL = "webchat.model";

const EMPTY = { model: null, system_prompt: null, sampling: {} };

const state = { id: null, settings: EMPTY, models: [], fallback: null, saving: 0 };

export const settings = {
  get current() {
    return state.settings;
  },

  get models() {
    return state.models;
  },

  // The name of the model the next message goes to.
  get model() {
    const known = (name) => state.models.some((model) => model.name === name);
    const wishes = [state.settings.model, state.id === null ? localStorage.getItem(LAST_MODEL) : null, state.fallback];
    return wishes.find((name) => name && known(name)) ?? state.models[0]?.name ?? null;
  },

  get info() {
    return state.models.find((model) => model.name === settings.model) ?? null;
  },

  setModels(models, fallback) {
    state.models = models;
    state.fallback = fallback;
    bus.emit("models", { models, default: fallback });
  },

  // Another conversation is on the screen, or the same one with fresh settings.
  show(id, stored) {
    if (id === state.id && state.saving) return; // what was read is older than what is being written
    const same = id === state.id && JSON.stringify(clean(stored)) === JSON.stringify(state.settings);
    state.id = id;
    state.settings = clean(stored);
    if (!same) announce();
  },

  // The new chat got its record with the first message; it was made with what was held here.
  adopt(conversation) {
    state.id = conversation.id;
    state.settings = clean(conversation.settings);
    announce();
  },

  // A model that cannot answer says why at once; who wants it all the same may try.
  choose(name) {
    const failure = state.models.find((model) => model.name === name)?.failure;
    if (failure && name !== settings.model) toast(errorLine(failure), { kind: "error" });
    localStorage.setItem(LAST_MODEL, name);
    bus.emit("model", { name });
    return settings.update({ model: name });
  },

  differ(changes) {
    return JSON.stringify(clean({ ...state.settings, ...changes })) !== JSON.stringify(state.settings);
  },

  async update(changes) {
    if (!settings.differ(changes)) return true;
    const { id } = state;
    state.settings = clean({ ...state.settings, ...changes });
    announce();
    if (id === null) return true;
    state.saving += 1;
    try {
      const conversation = await api.patch(`api/conversations/${id}`, { settings: state.settings });
      state.saving -= 1;
      bus.emit("conversation", { conversation });
      return true;
    } catch (error) {
      state.saving -= 1;
      toast(`${t("drawer.save_failed")} ${errorText(error).message}`, { kind: "error" });
      return false;
    }
  },
};

function announce() {
  bus.emit("settings", { settings: state.settings });
}

// Only what is set: an absent sampling field is the model's own default, an absent persona is none.
function clean(stored) {
  const { model, system_prompt, sampling, persona } = { ...EMPTY, ...stored };
  const set = ([, value]) => value !== null && value !== undefined && !(Array.isArray(value) && !value.length);
  return { model, system_prompt, sampling: Object.fromEntries(Object.entries(sampling ?? {}).filter(set).sort()), persona: persona ?? null };
}
