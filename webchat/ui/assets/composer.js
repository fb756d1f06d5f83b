// The box one writes in: Enter, drafts, send and stop, the model picker.

import { bus } from "./bus.js";
import { h } from "./dom.js";
import { errorLine, t } from "./i18n.js";
import { settings } from "./settings.js";
import { toast } from "./toast.js";

const DRAFT = "webchat.draft.";
const touch = matchMedia("(hover: none) and (pointer: coarse)");

const state = { id: null, running: null, sending: false, limit: Infinity, transcript: null };
let text, note, send, stop;

export function mountComposer(element, ctx) {
  state.ctx = ctx;
  note = h("div", { class: "wc-composer-note", id: "wc-composer-note", role: "status" });
  element.replaceChildren(note);
  text = document.querySelector("#wc-composer-text textarea");
  send = document.querySelector("#wc-send");
  stop = document.querySelector("#wc-stop");
  text.setAttribute("aria-label", t("composer.label"));
  text.setAttribute("aria-describedby", "wc-composer-note");
  text.setAttribute("enterkeyhint", touch.matches ? "enter" : "send");
  for (const [button, label] of [[send, t("composer.send")], [stop, t("composer.stop")]]) {
    button.setAttribute("aria-label", label);
    button.title = label;
  }
  text.addEventListener("input", onInput);
  // Before Gradio's own listener on the box: it would take Enter, also inside an input method.
  document.querySelector("#wc-composer-text").addEventListener("keydown", onKey, true);
  document.querySelector("#wc-composer-box").addEventListener("pointerdown", onBoxPress);
  bus.on("leaf", ({ conversationId, running }) => {
    if (conversationId !== state.id) return;
    state.running = running;
    refresh();
  });
  bus.on("suggest", ({ text: words }) => fill(words));
  refresh();
}

export const composer = {
  set limit(characters) {
    state.limit = characters ?? Infinity;
    refresh();
  },

  get running() {
    return state.running !== null || state.sending;
  },

  // Another conversation is on the screen: its draft comes back.
  show(id) {
    state.id = id;
    state.running = null;
    put(draft(id));
    refresh();
    if (!touch.matches) focus();
  },

  // The new chat became a conversation: what has been written since stays with it.
  adopt(id) {
    keep(null, "");
    state.id = id;
    keep(id, text.value);
    refresh();
  },

  fill,
  focus,
  send: submit,

  stop() {
    return state.ctx.transcript.stop();
  },
};

function fill(words) {
  put(words);
  keep(state.id, words);
  focus();
}

function focus() {
  text?.focus({ preventScroll: true });
  text?.setSelectionRange(text.value.length, text.value.length);
}

async function submit() {
  const words = text.value;
  const { id } = state;
  if (!words.trim() || tooLong() || state.sending || state.running) return;
  state.sending = true;
  put("");
  keep(id, "");
  refresh();
  try {
    await state.ctx.transcript.send(words, { model: settings.model, settings: settings.current });
  } catch (error) {
    giveBack(id, words);
    toast(errorLine(error), { kind: "error" });
  } finally {
    state.sending = false;
    refresh();
  }
}

// The words of a failed send go back to the box, or to its draft when another conversation is shown by now.
function giveBack(id, words) {
  if (id !== state.id) return keep(id, words);
  const later = text.value;
  fill(later ? `${words}\n${later}` : words);
}

function onKey(event) {
  if (event.key !== "Enter") return;
  event.stopImmediatePropagation();
  const composing = event.isComposing || event.keyCode === 229;
  const newline = event.shiftKey || (touch.matches && !event.ctrlKey && !event.metaKey);
  if (composing || newline) return;
  event.preventDefault();
  submit();
}

function onInput() {
  keep(state.id, text.value);
  refresh();
}

function onBoxPress(event) {
  if (event.target.closest("button, textarea, input, a")) return;
  event.preventDefault();
  text.focus();
}

function put(words) {
  if (text.value === words) return;
  text.value = words;
  text.dispatchEvent(new Event("input", { bubbles: true })); // Gradio's component grows and keeps its value by it
}

function tooLong() {
  return length() > state.limit;
}

// In characters as the server counts them, not in UTF-16 units.
function length() {
  return text.value.length <= state.limit ? text.value.length : [...text.value].length;
}

function refresh() {
  if (!text) return;
  const running = state.running !== null || state.sending;
  const count = length();
  const long = count > state.limit;
  send.hidden = running;
  stop.hidden = !running;
  send.disabled = !text.value.trim() || long || running || !settings.model;
  const showsLength = long || count > 0.9 * state.limit;
  note.classList.toggle("wc-danger", long);
  const words = showsLength ? t(long ? "composer.too_long" : "composer.length", { count, limit: state.limit }) : t("composer.hint");
  if (note.textContent !== words) note.textContent = words;
  text.setAttribute("aria-invalid", String(long));
}

bus.on("models", refresh);

function draft(id) {
  try {
    return localStorage.getItem(DRAFT + (id ?? "new")) ?? "";
  } catch {
    return "";
  }
}

function keep(id, words) {
  const key = DRAFT + (id ?? "new");
  try {
    if (words) localStorage.setItem(key, words);
    else localStorage.removeItem(key);
  } catch {
    // storage is full or blocked: the words are still in the box
  }
}
