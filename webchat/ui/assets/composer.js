// The box one writes in: Enter, drafts, send and stop, and the line under it that says what stands in the way.

import { bus } from "./bus.js";
import { h, iconButton } from "./dom.js";
import { drafts } from "./drafts.js";
import { drawer } from "./drawer.js";
import { errorLine, t } from "./i18n.js";
import { onKeyFirst, write } from "./gradio.js";
import { outbox } from "./outbox.js";
import { settings } from "./settings.js";
import { stops } from "./stops.js";
import { toast } from "./toast.js";

const SLASH = /^[/／、]/; // the last is what a Chinese input method makes of the key
const touch = matchMedia("(hover: none) and (pointer: coarse)");
const HARDWARE = /^(Tab|Escape|Control|Alt|Meta|Arrow\w+|F\d+)$/; // keys that no keyboard on a screen has

// template: {id, version, name} of the template the words were made from, as long as there are words.
// sent: {key, text} of what came back from the outbox: sent again as it was, it is the same message.
// unknown: there is no such conversation; what is written in it goes into a new one.
// refused: {words, why} that a rule did not let through; hindrance: why Enter did nothing. Said until something changes.
const state = { id: null, unknown: false, running: null, limit: Infinity, ctx: null, template: null, sent: null, refused: null, hindrance: null, keyboard: false, out: false };
let text, note, send, stop;
let slash = null; // the templates' picker, from its first use on
let loading = null; // a promise while it is on its way

// ctx.templates(composer, pattern): resolves to the templates' picker.
export function mountComposer(element, ctx) {
  state.ctx = ctx;
  note = h("div", { class: "wc-composer-note", id: "wc-composer-note", role: "status" });
  element.replaceChildren(note);
  text = document.querySelector("#wc-composer-text textarea");
  send = document.querySelector("#wc-send");
  stop = document.querySelector("#wc-stop");
  text.dir = "auto";
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
  onKeyFirst(document.querySelector("#wc-composer-text"), onKey);
  send.addEventListener("click", () => composer.send());
  // Stop comes where Send was: the second half of a double click is not meant for it.
  stop.addEventListener("click", (event) => event.detail > 1 || composer.stop());
  document.querySelector("#wc-composer-box").addEventListener("pointerdown", onBoxPress);
  bus.on("leaf", ({ conversationId, running }) => {
    if (conversationId !== state.id) return;
    state.running = running;
    state.hindrance = null;
    refresh();
  });
  bus.on("shown", refresh);
  for (const event of ["models", "settings"]) bus.on(event, refresh);
  bus.on("stop", refresh);
  bus.on("outbox", onOutbox);
  bus.on("unknown", onUnknown);
  bus.on("out", onOut);
  bus.on("suggest", ({ text: words }) => composer.insert(words));
  refresh();
}

export const composer = {
  set limit(characters) {
    state.limit = characters ?? Infinity;
    refresh();
  },

  get running() {
    return state.running !== null || waits("sending");
  },

  // Another conversation is on the screen: its draft comes back.
  show(id) {
    if (state.unknown && id !== state.id) drafts.move(place(), "new");
    Object.assign(state, { id, unknown: false, running: null, hindrance: null });
    slash?.close();
    restore(drafts.get(place()));
    // A closed tab left words here.
    if (!text.value) void drafts.adopt([place()], (adopted) => adopted === place() && restore(drafts.get(adopted)));
    if (!touch.matches) focus();
  },

  // The new chat became a conversation: what has been written since stays with it, behind what this tab had there.
  adopt(id) {
    drafts.move(place(), id);
    state.id = id;
    restore(drafts.get(id));
  },

  // Words that were not typed, after what is there already.
  insert(words, template) {
    const before = text.value.trimEnd();
    if (before.endsWith(words)) return focus();
    fill(before ? `${before}\n\n${words}` : words, template);
  },

  // What was typed to choose a template has done its work.
  clearSlash() {
    put("");
  },

  // What was sent is changed before it is sent again; what is in the box by now stays behind it.
  takeBack({ key, ask }) {
    const later = text.value;
    fill(later ? `${ask.text}\n\n${later}` : ask.text, ask.template, later ? null : { key, text: ask.text });
    if (state.id === null && ask.settings) settings.update(ask.settings);
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

const place = () => state.id ?? "new";

// Whether something sent from here is in this state.
const waits = (kind) => state.ctx.transcript?.pending.some((entry) => entry.state === kind) ?? false;

function fill(words, template = null, sent = null) {
  put(words);
  Object.assign(state, { template, sent });
  keep();
  refresh();
  focus();
}

function focus() {
  text?.focus({ preventScroll: true });
  text?.setSelectionRange(text.value.length, text.value.length);
}

// The words leave the box when the outbox has them.
function submit() {
  const words = text.value;
  if (!words.trim() || tooLong()) return;
  state.hindrance = hindrance();
  if (!state.hindrance) {
    const { template, sent } = state;
    state.ctx.transcript.send(words, { template, key: sent?.text === words ? sent.key : undefined });
    put(""); // and its draft goes
    if (state.id === null) drafts.put("settings:new", null);
  }
  refresh();
}

function hindrance() {
  if (state.out) return t("composer.out");
  if (composer.running) return t("composer.busy");
  if (!state.ctx.transcript.loaded) return t("transcript.loading");
  if (waits("unsent")) return t("composer.unsent");
  if (!settings.model) return t("composer.no_model");
  return drawer.flush() ? null : t("composer.bad_setting");
}

// Refused words come back to the box they were sent from. Where that is not possible they wait in the conversation.
function onOutbox({ what, entry }) {
  if (what === "answered") return arrived(entry);
  if (what === "refused" && state.unknown) onUnknown(state);
  if (what !== "refused" || entry.ask.kind !== "send") return;
  if (entry.why.code !== "message_blocked") toast(errorLine(entry.why), { kind: "error" });
  if (text.value || !state.ctx.transcript.pending.some(({ key }) => key === entry.key)) return;
  composer.takeBack(outbox.take(entry.key));
  if (entry.why.code === "message_blocked") state.refused = { words: text.value, why: errorLine(entry.why) };
  refresh();
}

// The link has ended: the words stay, to be read and copied.
function onOut() {
  state.out = true;
  text.readOnly = true;
  document.querySelector("#wc-templates-button").disabled = true;
  slash?.close();
  refresh();
}

// What was refused because it belongs there cannot be shown in its place.
function onUnknown({ id }) {
  if (id !== state.id) return;
  state.unknown = true;
  for (const { key, state: stands, ask } of outbox.at(id)) if (stands === "refused" && ask.text) composer.takeBack(outbox.take(key));
}

// Also when it had been taken back: then the box must not ask for it once more.
function arrived({ key, ask }) {
  const from = ask.conversation_id ?? "new";
  if (ask.kind === "send" && drafts.arrived(from, key) && from === place()) put("");
}

function onKey(event) {
  state.keyboard ||= HARDWARE.test(event.key);
  const composing = event.isComposing || event.keyCode === 229;
  if (!composing && slash?.onKey(event)) return;
  if (event.key !== "Enter") return;
  event.stopImmediatePropagation();
  if (loading && !composing) return event.preventDefault(); // the picker is on its way
  const onScreen = touch.matches && !state.keyboard; // its Return key is the only way to a new line
  const newline = event.shiftKey || (onScreen && !event.ctrlKey && !event.metaKey);
  if (composing || newline) return;
  event.preventDefault();
  submit();
}

function onInput(event) {
  if (!text.value.trim()) Object.assign(state, { template: null, sent: null });
  state.hindrance = null;
  keep();
  refresh();
  if (!event.isTrusted) slash?.close(); // not typed: a draft, or what a template made
  else if (!event.isComposing) offer();
}

// A slash first opens the templates to choose from.
async function offer() {
  if (slash) slash.typed(text.value);
  else if (SLASH.test(text.value)) (await picker())?.typed(text.value);
}

async function picker() {
  if (slash) return slash;
  try {
    return (slash = await (loading ??= state.ctx.templates(composer, SLASH)));
  } catch {
    toast(t("templates.load_failed"), { kind: "error" });
    return null;
  } finally {
    loading = null;
  }
}

function onBoxPress(event) {
  if (event.target.closest("button, textarea, input, a")) return;
  event.preventDefault();
  text.focus();
}

function put(words) {
  if (text.value === words) return;
  write(text, words);
}

function keep() {
  const { template, sent } = state;
  drafts.put(place(), text.value ? { text: text.value, template, sent } : null);
}

function restore(draft) {
  Object.assign(state, { template: draft?.template ?? null, sent: draft?.sent ?? null });
  put(draft?.text ?? "");
  refresh();
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
  const { running } = composer;
  const count = length();
  const long = count > state.limit;
  send.hidden = running;
  stop.hidden = !running;
  send.disabled = state.out || !text.value.trim() || long || running || waits("unsent") || !settings.model;
  const refused = state.refused?.words === text.value && !running;
  const bad = long || refused || state.hindrance !== null || Boolean(settings.info?.missing);
  note.classList.toggle("wc-danger", bad);
  const words = line({ count, long, refused });
  if (note.textContent !== words) note.textContent = words;
  text.setAttribute("aria-invalid", String(long || refused));
}

function line({ count, long, refused }) {
  const { limit, hindrance: reason, running, template } = state;
  if (long || count > 0.9 * limit) return t(long ? "composer.too_long" : "composer.length", { count, limit });
  if (state.out) return t("composer.out");
  if (reason) return reason;
  if ((running && stops.wanted(running)) || state.ctx.transcript?.pending.some((entry) => entry.stop)) return t("composer.stopping");
  if (refused) return t("composer.refused", { reason: state.refused.why });
  if (settings.info?.missing) return errorLine(settings.info.failure);
  return template ? t("templates.from", { name: template.name }) : t("composer.hint");
}
