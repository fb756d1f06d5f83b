// The box one writes in: Enter, drafts, send and stop, the model picker.

import { bus } from "./bus.js";
import { h, iconButton } from "./dom.js";
import { errorLine, t } from "./i18n.js";
import { settings } from "./settings.js";
import { toast } from "./toast.js";

const DRAFT = "webchat.draft.";
const DRAFT_TEMPLATE = "webchat.draft-template.";
const SLASH = /^[/／、]/; // the last is what a Chinese input method makes of the key
const touch = matchMedia("(hover: none) and (pointer: coarse)");

// template: {id, version, name} of the template the words were made from, as long as there are words.
// refused: {words, why} that a rule did not let through; said under the box until the words are others.
const state = { id: null, running: null, sending: false, limit: Infinity, transcript: null, template: null, refused: null };
let text, note, send, stop;
let slash = null; // the templates' picker, from its first use on; a promise while it is on its way

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
  const templates = iconButton("template", t("templates.button"), async () => (await picker())?.toggle(templates), {
    id: "wc-templates-button", "aria-haspopup": "listbox", "aria-expanded": "false",
  });
  document.querySelector("#wc-composer-box").prepend(templates);
  text.addEventListener("input", onInput);
  text.addEventListener("compositionend", () => offer());
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
    if (slash?.close) slash.close();
    state.template = draftTemplate(id);
    put(draft(id));
    refresh();
    if (!touch.matches) focus();
  },

  // The new chat became a conversation: what has been written since stays with it.
  adopt(id) {
    keep(null, "");
    state.id = id;
    keep(id, text.value, state.template);
    refresh();
  },

  // Words made from a template, after what is there already; a slash that asked for it goes.
  insert(words, template) {
    const before = SLASH.test(text.value) ? "" : text.value.trimEnd();
    fill(before ? `${before}\n\n${words}` : words, template);
  },

  // What was typed to choose a template has done its work.
  clearSlash() {
    put("");
  },

  get text() {
    return text;
  },

  fill,
  focus,
  send: submit,

  stop() {
    return state.ctx.transcript.stop();
  },
};

function fill(words, template = null) {
  put(words);
  state.template = template;
  keep(state.id, words, template);
  refresh();
  focus();
}

function focus() {
  text?.focus({ preventScroll: true });
  text?.setSelectionRange(text.value.length, text.value.length);
}

async function submit() {
  const words = text.value;
  const { id, template } = state;
  if (!words.trim() || tooLong() || state.sending || state.running) return;
  state.sending = true;
  put("");
  keep(id, "");
  refresh();
  try {
    await state.ctx.transcript.send(words, { model: settings.model, settings: settings.current, template });
  } catch (error) {
    giveBack(id, words, template);
    if (error.code === "message_blocked" && id === state.id) state.refused = { words, why: errorLine(error) };
    else toast(errorLine(error), { kind: "error" });
  } finally {
    state.sending = false;
    refresh();
  }
}

// The words of a failed send go back to the box, or to its draft when another conversation is shown by now.
function giveBack(id, words, template) {
  if (id !== state.id) return keep(id, words, template);
  const later = text.value;
  fill(later ? `${words}\n${later}` : words, template);
}

function onKey(event) {
  const composing = event.isComposing || event.keyCode === 229;
  if (!composing && slash?.onKey?.(event)) return;
  if (event.key !== "Enter") return;
  event.stopImmediatePropagation();
  if (slash instanceof Promise && !composing) return event.preventDefault(); // the picker is on its way
  const newline = event.shiftKey || (touch.matches && !event.ctrlKey && !event.metaKey);
  if (composing || newline) return;
  event.preventDefault();
  submit();
}

function onInput(event) {
  if (!text.value.trim()) state.template = null;
  keep(state.id, text.value, state.template);
  refresh();
  if (!event.isTrusted && slash?.close) slash.close(); // not typed: a draft, or what a template made
  else if (event.isTrusted && !event.isComposing) offer();
}

// A slash first opens the templates to choose from.
async function offer() {
  if (slash?.typed) slash.typed(text.value);
  else if (SLASH.test(text.value)) (await picker())?.typed(text.value);
}

async function picker() {
  slash ??= import("./templates/slash.js").then(({ Slash }) => (slash = new Slash(composer, SLASH)));
  try {
    return await slash;
  } catch {
    slash = null;
    toast(t("templates.load_failed"), { kind: "error" });
    return null;
  }
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
  const refused = state.refused?.words === text.value && !running;
  note.classList.toggle("wc-danger", long || refused);
  const hint = refused ? t("composer.refused", { reason: state.refused.why }) : state.template ? t("templates.from", { name: state.template.name }) : t("composer.hint");
  const words = showsLength ? t(long ? "composer.too_long" : "composer.length", { count, limit: state.limit }) : hint;
  if (note.textContent !== words) note.textContent = words;
  text.setAttribute("aria-invalid", String(long || refused));
}

bus.on("models", refresh);

function draft(id) {
  try {
    return localStorage.getItem(DRAFT + (id ?? "new")) ?? "";
  } catch {
    return "";
  }
}

function draftTemplate(id) {
  try {
    return JSON.parse(localStorage.getItem(DRAFT_TEMPLATE + (id ?? "new")));
  } catch {
    return null;
  }
}

function keep(id, words, template = null) {
  const place = id ?? "new";
  try {
    if (words) localStorage.setItem(DRAFT + place, words);
    else localStorage.removeItem(DRAFT + place);
    if (words && template) localStorage.setItem(DRAFT_TEMPLATE + place, JSON.stringify(template));
    else localStorage.removeItem(DRAFT_TEMPLATE + place);
  } catch {
    // storage is full or blocked: the words are still in the box
  }
}
