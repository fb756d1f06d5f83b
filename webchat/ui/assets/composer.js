// The box one writes in: Enter, drafts, send and stop, and the line under it that says what stands in the way.

import { canSignInAgain } from "./account/problems.js";
import { bus } from "./bus.js";
import { comparing, mountComparing } from "./compare/choice.js";
import { connection } from "./connection.js";
import { h, iconButton, the } from "./dom.js";
import { drafts } from "./drafts.js";
import { drawer } from "./drawer.js";
import { errorLine, t } from "./i18n.js";
import { onKeyFirst, write } from "./gradio.js";
import { outbox } from "./outbox.js";
import { settings } from "./settings.js";
import { stops } from "./stops.js";
import { fewLeft, hindrance as ofLink, mayPrompt } from "./tester/link.js";
import { toast } from "./toast.js";

/** @import { Transcript } from "./transcript.js" */
/** @import { Slash } from "./templates/slash.js" */
/** @import { Draft, Entry, Events, TemplateUse } from "./types.js" */
/** @typedef {{ transcript: Transcript | null, templates(box: typeof composer, pattern: RegExp): Promise<Slash> }} Surroundings */

const SLASH = /^[/／、]/; // the last is what a Chinese input method makes of the key
const touch = matchMedia("(hover: none) and (pointer: coarse)");
const HARDWARE = /^(Tab|Escape|Control|Alt|Meta|Arrow\w+|F\d+)$/; // keys that no keyboard on a screen has

// template: {id, version, name} of the template the words were made from, as long as there are words.
// sent: {key, text} of what came back from the outbox: sent again as it was, it is the same message.
// unknown: there is no such conversation; what is written in it goes into a new one.
// refused: {words, why} that a rule did not let through; hindrance: why Enter did nothing. Said until something changes.
// early: the words on which Enter came before the page knew its models and the conversation. ready: it knows its models.
/** @type {{ id: string | null, unknown: boolean, running: string | null, limit: number, template: TemplateUse | null, sent: Draft["sent"], refused: { words: string, why: string } | null, hindrance: string | null, early: string | null, ready: boolean, keyboard: boolean, out: string }} */
const state = { id: null, unknown: false, running: null, limit: Infinity, template: null, sent: null, refused: null, hindrance: null, early: null, ready: false, keyboard: false, out: "" };
/** @type {Surroundings} */
let ctx = { transcript: null, templates: () => Promise.reject(new Error("not mounted")) };
/** @type {HTMLTextAreaElement} */
let text;
/** @type {HTMLElement} */
let note;
/** @type {HTMLButtonElement} */
let send;
/** @type {HTMLButtonElement} */
let stop;
/** @type {Slash | null} the templates' picker, from its first use on */
let slash = null;
/** @type {Promise<Slash> | null} while it is on its way */
let loading = null;

/** @param {HTMLElement} element @param {Surroundings} surroundings */
export function mountComposer(element, surroundings) {
  ctx = surroundings;
  note = h("div", { class: "wc-composer-note", id: "wc-composer-note", role: "status" });
  element.replaceChildren(note);
  text = the("#wc-composer-text textarea");
  send = /** @type {HTMLButtonElement} */ (the("#wc-send"));
  stop = /** @type {HTMLButtonElement} */ (the("#wc-stop"));
  text.dir = "auto";
  text.setAttribute("aria-label", t("composer.label"));
  text.setAttribute("aria-describedby", "wc-composer-note");
  text.setAttribute("enterkeyhint", touch.matches ? "enter" : "send");
  for (const [button, label] of /** @type {const} */ ([[send, t("composer.send")], [stop, t("composer.stop")]])) {
    button.setAttribute("aria-label", label);
    button.title = label;
  }
  const templates = iconButton("template", t("templates.button"), async () => (await picker())?.toggle(templates), {
    id: "wc-templates-button", "aria-haspopup": "listbox", "aria-expanded": "false",
  });
  the("#wc-composer-box").prepend(templates);
  mountComparing(templates, refresh);
  text.addEventListener("input", onInput);
  text.addEventListener("compositionend", () => offer());
  onKeyFirst(the("#wc-composer-text"), onKey);
  send.addEventListener("click", () => composer.send());
  // Stop comes where Send was: the second half of a double click is not meant for it.
  stop.addEventListener("click", (event) => event.detail > 1 || composer.stop());
  the("#wc-composer-box").addEventListener("pointerdown", onBoxPress);
  bus.on("leaf", ({ conversationId, running }) => {
    if (conversationId !== state.id) return;
    state.running = running;
    again();
  });
  bus.on("shown", refresh);
  for (const event of /** @type {const} */ (["me", "settings"])) bus.on(event, refresh);
  bus.on("models", () => {
    state.ready = true;
    again();
  });
  bus.on("stop", refresh);
  bus.on("outbox", onOutbox);
  bus.on("unknown", onUnknown);
  bus.on("out", onOut);
  bus.on("suggest", ({ text: words }) => composer.insert(words));
  refresh();
}

export const composer = {
  /** @param {number} characters */
  set limit(characters) {
    state.limit = characters;
    refresh();
  },

  get running() {
    return state.running !== null || waits("sending");
  },

  // Another conversation is on the screen: its draft comes back.
  /** @param {string | null} id */
  show(id) {
    if (state.unknown && id !== state.id) drafts.move(place(), "new");
    Object.assign(state, { id, unknown: false, running: null, hindrance: null, early: null });
    slash?.close();
    restore(drafts.get(place()));
    // A closed tab left words here.
    if (!text.value) void drafts.adopt([place()], (adopted) => adopted === place() && restore(drafts.get(adopted)));
    if (!touch.matches) focus();
  },

  // The new chat became a conversation: what has been written since stays with it, behind what this tab had there.
  /** @param {string} id */
  adopt(id) {
    drafts.move(place(), id);
    state.id = id;
    restore(drafts.get(id));
  },

  // Words that were not typed, after what is there already.
  /** @param {string} words @param {TemplateUse} [template] */
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
  /** @param {Entry} entry */
  takeBack({ key, ask }) {
    const later = text.value;
    const { text: words = "" } = ask;
    fill(later ? `${words}\n\n${later}` : words, ask.template, later ? null : { key, text: words });
    if (state.id === null && ask.settings) settings.update(ask.settings);
  },

  get text() {
    return text;
  },

  fill,
  focus,
  send: submit,

  stop() {
    return ctx.transcript?.stop();
  },
};

const place = () => state.id ?? "new";

// Whether something sent from here is in this state.
/** @param {Entry["state"]} kind */
const waits = (kind) => ctx.transcript?.pending.some((entry) => entry.state === kind) ?? false;

/** @param {string} words @param {TemplateUse | null} [template] @param {Draft["sent"]} [sent] */
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
  state.early = state.hindrance && !knows() ? words : null;
  if (!state.hindrance) {
    const { template, sent } = state;
    ctx.transcript?.send(words, { template, key: sent?.text === words ? sent.key : undefined, against: comparing.against });
    put(""); // and its draft goes
    if (state.id === null) drafts.put("settings:new", null);
  }
  refresh();
}

const knows = () => Boolean(ctx.transcript?.loaded && (settings.model || state.ready));

// What stood in the way of Enter may have gone. If the words are still the same, it counts now.
function again() {
  const { early } = state;
  if (early === null && composer.running && state.hindrance === t("composer.busy")) return refresh(); // it is still there
  Object.assign(state, { hindrance: null, early: null });
  if (early !== null && early === text.value) submit();
  else refresh();
}

function hindrance() {
  if (state.out) return t(state.out);
  if (composer.running) return t("composer.busy");
  if (!ctx.transcript?.loaded) return t("transcript.loading");
  if (waits("unsent")) return t("composer.unsent");
  if (ctx.transcript?.comparing) return t("compare.vote_first");
  const refusal = linkHindrance();
  if (refusal) return t(refusal.key, refusal.params);
  if (!settings.model) return t("composer.no_model");
  return drawer.flush() ? null : t("composer.bad_setting");
}

// Refused words come back to the box they were sent from. Where that is not possible they wait in the conversation.
/** @param {Events["outbox"]} detail */
function onOutbox({ what, entry }) {
  if (what === "answered") return arrived(entry);
  if (what === "refused" && state.unknown) onUnknown(state);
  const { key, ask, why } = entry;
  if (what !== "refused" || ask.kind !== "send" || !why) return;
  if (why.code !== "message_blocked") toast(errorLine(why), { kind: "error" });
  if (text.value || !ctx.transcript?.pending.some((one) => one.key === key)) return;
  takeBack(key);
  if (why.code === "message_blocked") state.refused = { words: text.value, why: errorLine(why) };
  refresh();
}

/** @param {string} key */
function takeBack(key) {
  const entry = outbox.take(key);
  if (entry) composer.takeBack(entry);
}

// The link has ended: the words stay, to be read and copied; of a paused one, to be sent later.
/** @param {Events["out"]} detail */
function onOut({ error }) {
  const paused = error.code === "link_paused";
  state.out = paused ? "composer.paused" : canSignInAgain(error, connection.me) ? "composer.signed_out" : "composer.out";
  text.readOnly = !paused;
  Object.assign(the("#wc-templates-button"), { disabled: true });
  slash?.close();
  refresh();
}

// What was refused because it belongs there cannot be shown in its place.
/** @param {Events["unknown"]} place */
function onUnknown({ id }) {
  if (id !== state.id) return;
  state.unknown = true;
  for (const { key, state: stands, ask } of outbox.at(id)) if (stands === "refused" && ask.text) takeBack(key);
}

// Also when it had been taken back: then the box must not ask for it once more.
/** @param {Entry} entry */
function arrived({ key, ask }) {
  const from = ask.conversation_id ?? "new";
  if (ask.kind === "send" && drafts.arrived(from, key) && from === place()) put("");
}

/** @param {KeyboardEvent} event */
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

/** @param {Event} event */
function onInput(event) {
  if (!text.value.trim()) Object.assign(state, { template: null, sent: null });
  Object.assign(state, { hindrance: null, early: null });
  keep();
  refresh();
  if (!event.isTrusted) slash?.close(); // not typed: a draft, or what a template made
  else if (!(event instanceof InputEvent && event.isComposing)) offer();
}

// A slash first opens the templates to choose from.
async function offer() {
  if (slash) slash.typed(text.value);
  else if (SLASH.test(text.value)) (await picker())?.typed(text.value);
}

async function picker() {
  if (!mayPrompt(connection.link)) return null;
  if (slash) return slash;
  try {
    return (slash = await (loading ??= ctx.templates(composer, SLASH)));
  } catch {
    toast(t("templates.load_failed"), { kind: "error" });
    return null;
  } finally {
    loading = null;
  }
}

/** @param {PointerEvent} event */
function onBoxPress(event) {
  if (/** @type {Element} */ (event.target).closest("button, textarea, input, a")) return;
  event.preventDefault();
  text.focus();
}

/** @param {string} words */
function put(words) {
  if (text.value === words) return;
  write(text, words);
}

function keep() {
  const { template, sent } = state;
  drafts.put(place(), text.value ? { text: text.value, template, sent } : null);
}

/** @param {Draft | null} draft */
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
  const barred = Boolean(state.out) || linkHindrance() !== null;
  send.disabled = barred || !text.value.trim() || long || running || waits("unsent") || !settings.model;
  const refused = state.refused?.words === text.value && !running;
  const bad = long || refused || state.hindrance !== null || Boolean(settings.info?.missing);
  note.classList.toggle("wc-danger", bad);
  const words = line({ count, long, refused });
  if (note.textContent !== words) note.textContent = words;
  text.setAttribute("aria-invalid", String(long || refused));
}

/** @param {{ count: number, long: boolean, refused: boolean }} about */
function line({ count, long, refused }) {
  const { limit, hindrance: reason, running, template } = state;
  if (long || count > 0.9 * limit) return t(long ? "composer.too_long" : "composer.length", { count, limit });
  if (state.out) return t(state.out);
  if (reason) return reason;
  if ((running && stops.wanted(running)) || ctx.transcript?.pending.some((entry) => entry.stop)) return t("composer.stopping");
  if (refused) return t("composer.refused", { reason: state.refused?.why });
  if (settings.info?.missing && settings.info.failure) return errorLine(settings.info.failure);
  if (template) return t("templates.from", { name: template.name });
  if (comparing.against) return comparing.words;
  const said = linkHindrance() ?? (connection.link && fewLeft(connection.link));
  return said ? t(said.key, said.params) : t("composer.hint");
}

// What a tester's link does not allow here.
function linkHindrance() {
  const { link } = connection;
  return link && ofLink(link, { fresh: state.id === null });
}
