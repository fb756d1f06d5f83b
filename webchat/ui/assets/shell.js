// The page as a whole: gathers its parts, finds what the address asks for, keeps title and history in step.

import { isSteppedBackTo, leaveWithOthers, placeBefore } from "./account/leaving.js";
import { api, url } from "./api.js";
import { bus } from "./bus.js";
import { composer, mountComposer } from "./composer.js";
import { connection, mountConnection } from "./connection.js";
import { closeMenu, command, h, iconButton, the, toggleMenu } from "./dom.js";
import { drafts } from "./drafts.js";
import { drawer, mountDrawer } from "./drawer.js";
import { mountFiles } from "./files.js";
import { mountDropping } from "./importing/dropping.js";
import { present, setMain } from "./gradio.js";
import { errorLine, language, t } from "./i18n.js";
import { identity } from "./identity.js";
import { mainMenu, exportItems, showShortcuts, showTemplates } from "./menus.js";
import { outbox } from "./outbox.js";
import { mountPicker } from "./picker.js";
import { mountPrinting, printChat } from "./print.js";
import { addressOf, askedFor } from "./routing.js";
import { openSearch } from "./search.js";
import { settings } from "./settings.js";
import { shareItems } from "./shares/menu.js";
import { mountSidebar, sidebar } from "./sidebar.js";
import { stops } from "./stops.js";
import { storage } from "./storage.js";
import { style } from "./style.js";
import { followLanguage } from "./tester/language.js";
import { mayPrompt } from "./tester/link.js";
import { toast } from "./toast.js";
import { mountTranscript } from "./transcript.js";

/** @import { Context, Transcript } from "./transcript.js" */
/** @import { Conversation, ListedConversation } from "./types.js" */
/** @import { MenuItem } from "./dom.js" */

const PARTS = ["top", "sidebar", "topbar-start", "picker", "topbar-end", "transcript", "composer", "drawer"];
const CONTROLS = ["#wc-composer-text textarea", "#wc-send", "#wc-stop", "#wc-system-prompt textarea", "#wc-sampling-seed input", "#wc-sampling-stop textarea", "#wc-drawer-reset"];
const NAMED_WITHIN = 4000; // ms
/** @param {string} part */
const idOf = (part) => `#wc-${part}-part`;
const phone = matchMedia("(max-width: 767px)");
const root = document.documentElement;

let begin = () => {};
const begun = new Promise((/** @type {(nothing: void) => void} */ resolve) => (begin = resolve)); // the parts are on the page
const heading = h("h1", { class: "wc-visually-hidden" });
/** @type {Context & import("./composer.js").Surroundings} */
const ctx = { api, t, bus, toast, language, newChat: () => go(null), trash, templates, transcript: null };
/** @type {{ id: string | null, conversation: Partial<Conversation> | null, notice: boolean }} */
const state = { id: null, conversation: null, notice: false };

// What is kept in the browser is shown to its owner alone, so the page waits for the server to say who that is; not long.
async function boot() {
  const named = Promise.race([loadMe(), new Promise((resolve) => setTimeout(resolve, NAMED_WITHIN))]);
  await Promise.all([present([...PARTS.map(idOf), ...CONTROLS]), identity.open(), named]);
  start();
  begin();
}

function start() {
  const element = (/** @type {string} */ name) => the(idOf(name));
  mountTop(element("top"));
  mountConnection(the(".wc-connection", element("top")), reload);
  mountSidebar(element("sidebar"), {
    open: (id) => go(id),
    newChat: () => go(null),
    search,
    menu: (button) => toggleMenu(button, mainMenu({ importFile }), { above: true }),
    trash,
    exportItems,
    close: () => toggleSidebar(false),
  });
  mountDropping(element("sidebar"), importFile);
  mountTopbar(element("topbar-start"), element("topbar-end"));
  mountComposer(element("composer"), ctx);
  mountDrawer(element("drawer"));
  mountPicker(element("picker"));
  const transcript = mountTranscript(element("transcript"), ctx);
  ctx.transcript = transcript;
  tellContext(element("composer"), transcript);
  mountPrinting(transcript);
  mountFiles();
  bus.on("conversation", ({ conversation }) => onConversation(conversation));
  bus.on("title", ({ conversation }) => onListed(conversation));
  bus.on("emptied", () => state.id !== null && go(null));
  bus.on("notice", ({ on }) => ((state.notice = on), setTitle()));
  window.addEventListener("popstate", () => show(location.search));
  document.addEventListener("keydown", onKey);
  if (phone.matches) toggleSidebar(false, { keep: false });
  syncSidebar();
  phone.addEventListener("change", () => toggleSidebar(!phone.matches, { keep: false }));
  root.classList.add("wc-ready"); // from here on it is seen, and can have the focus
  bus.on("owner", ({ before }) => (before === "" ? claim() : location.reload()));
  leaveWithOthers();
  bus.on("outbox", ({ entry }) => entry.why?.code === "other_owner" && loadMe());
  if (storage.lasts) bus.on("unkept", onUnkept);
  else onUnkept();
  drafts.claim();
  const place = placeBefore();
  if (place && !location.search) history.replaceState({}, "", url(place));
  show(location.search);
  loadModels();
  stops.open();
  outbox.open();
  drafts.prune();
}

// What is kept in memory alone does not go without a question of the browser's.
function onUnkept() {
  toast(t("app.unkept"), { seconds: 20 });
  window.webchatConfig.unsaved = () => [drafts, outbox].some(({ prefix }) => storage.fleeting(prefix));
}

// The server has said at last who this is: what was written meanwhile is theirs.
function claim() {
  drafts.claim();
  composer.show(state.id);
}

// What tells of the model's window comes with the first reply that says what it took.
/** @param {HTMLElement} element @param {Transcript} transcript */
function tellContext(element, transcript) {
  const off = bus.on("shown", async () => {
    if (!transcript.messages.some((message) => message.prompt_tokens)) return;
    off();
    const { mountContext } = await import("./conversation/context.js");
    mountContext(element, transcript);
  });
}

let isTester = false; // and the page knows it

async function loadMe() {
  try {
    const me = await api.get("api/me");
    connection.me = me;
    await meet();
    bus.emit("me", { me });
    composer.limit = me.limits.message_chars;
    if (me.movable_chats.length) void Promise.all([import("./movechats.js"), begun]).then(([{ offerChats }]) => offerChats(me.movable_chats));
  } catch (error) {
    if (error.status === 401 && isSteppedBackTo()) location.reload(); // the server has another page for those it doesn't know
    if (!error.offline) toast(errorLine(error), { kind: "error", seconds: 60 });
  }
}

// Who came by a tester's link gets what the link offers, and in its language.
async function meet() {
  const { link } = connection;
  if (followLanguage(link?.language ?? "")) return location.reload();
  if (!link || isTester) return;
  isTester = true;
  const [{ mountTester }] = await Promise.all([import("./tester/tester.js"), style("tester")]);
  void begun.then(mountTester);
}

const MODELS_IDLE = 30_000;
const MODELS_BUSY = 1_500;
let modelsTimer = 0;
let modelsAsked = 0; // counts what was asked for: an answer is drawn over no newer one

// While a model loads, its progress is worth a look more often.
async function loadModels() {
  clearTimeout(modelsTimer);
  const mine = (modelsAsked += 1);
  let busy;
  try {
    const asked = settings.unlisted;
    const told = await api.get("api/models", { wanted: asked });
    if (mine !== modelsAsked) return;
    settings.setModels(told, asked);
    busy = told.models.some(({ status, unlisted, failure }) => status === "loading" || (unlisted && !failure));
  } catch {
    if (mine !== modelsAsked) return;
    busy = true;
  }
  modelsTimer = setTimeout(() => (document.hidden ? (modelsTimer = setTimeout(loadModels, MODELS_IDLE)) : loadModels()), busy ? MODELS_BUSY : MODELS_IDLE);
}

bus.on("leaf", ({ running }) => running && setTimeout(loadModels, 300));
bus.on("picker", loadModels);

// A chat of a model that is not in the list: what has become of it.
bus.on("settings", () => settings.models.length && settings.unlisted && !settings.info && loadModels());

// Whom the model plays stands in the top bar; the module comes with the first persona.
const withoutPersona = bus.on("settings", async ({ settings: { persona } }) => {
  if (!persona) return;
  withoutPersona();
  (await import("./templates/persona.js")).mountPersona();
});

// --- routing ------------------------------------------------------------------------------------------------

/** @param {string | null} id @param {string | null} [messageId] */
function go(id, messageId = null) {
  if (connection.out) return; // another chat cannot be had, and this one would be gone
  if (phone.matches) toggleSidebar(false, { keep: false });
  if (id === state.id && messageId === null) {
    composer.focus();
    return;
  }
  if (id !== state.id) history.pushState({}, "", addressOf(location.href, id));
  open(id, messageId);
}

/** @param {string} search what the address asks for */
function show(search) {
  const { id, messageId, words, model, copy } = askedFor(search);
  open(id, messageId);
  if (copy) goOn(copy);
  if (words === null && model === null) return;
  if (words) composer.insert(words);
  if (model) wish(model);
  history.replaceState({}, "", addressOf(location.href, null)); // a reload must not put the words in again
}

// A share that its reader goes on with here, as a chat of their own.
/** @param {string} share */
async function goOn(share) {
  history.replaceState({}, "", addressOf(location.href, null)); // a reload makes no second copy
  const { continueShare } = await import("./shares/continue.js");
  const id = await continueShare(share);
  if (id === null) return;
  sidebar.refresh();
  go(id);
}

// The model an address names, for this new chat only, once the models are known.
/** @param {string} name */
function wish(name) {
  const { chat } = settings;
  const off = bus.on("models", async () => {
    off();
    if (!settings.find(name)) settings.setModels(await api.get("api/models", { wanted: name }), name);
    if (chat !== settings.chat) return; // another chat was opened meanwhile
    const found = settings.find(name);
    if (found && !found.missing) settings.update({ model: found.key });
    else toast(t("composer.link_model", { model: name }), { kind: "error" });
  });
}

/** @param {string | null} id @param {string | null} [messageId] */
function open(id, messageId = null) {
  closeMenu();
  drawer.show(id);
  state.id = id;
  state.conversation = id === null ? null : (sidebar.get(id) ?? null);
  settings.show(id, state.conversation?.settings);
  sidebar.active = id;
  composer.show(id);
  setTitle();
  bus.emit("open", { id, messageId });
}

// After a server restart: the same conversation, read again.
function reload() {
  loadMe();
  loadModels();
  sidebar.refresh();
  bus.emit("open", { id: state.id, messageId: null });
}

/** @param {Conversation} conversation */
function onConversation(conversation) {
  const begun = state.id === null && ctx.transcript?.conversationId === conversation.id;
  if (begun) adopt(conversation);
  if (conversation.id !== state.id) return;
  state.conversation = conversation;
  settings.show(conversation.id, conversation.settings);
  setTitle();
}

// What the list says of it, which is all but its settings.
/** @param {ListedConversation} conversation */
function onListed(conversation) {
  if (conversation.id !== state.id) return;
  state.conversation = { ...state.conversation, ...conversation };
  setTitle();
}

// The new chat on the screen became a conversation.
/** @param {Conversation} conversation */
function adopt(conversation) {
  history.pushState({}, "", addressOf(location.href, conversation.id));
  state.id = conversation.id;
  settings.adopt(conversation);
  drawer.show(conversation.id);
  composer.adopt(conversation.id);
  sidebar.active = conversation.id;
}

function setTitle() {
  const name = window.webchatConfig.title;
  const title = state.conversation?.title;
  document.title = (state.notice ? "● " : "") + (title ? `${title} · ${name}` : name);
  heading.hidden = state.id === null; // a new chat has a heading of its own, the greeting
  heading.textContent = title || t("app.untitled");
}

// --- around the transcript ----------------------------------------------------------------------------------

/** @param {HTMLElement} element */
function mountTop(element) {
  const skip = h("a", { class: "wc-skip", href: "#wc-composer-text", onclick: (event) => (event.preventDefault(), composer.focus()) }, t("app.skip"));
  element.replaceChildren(skip, h("div", { class: "wc-connection", role: "status" }));
  const main = the("#wc-main");
  setMain(main);
  main.prepend(heading);
  the("#wc-sidebar").insertAdjacentElement("afterend", h("div", { class: "wc-scrim", onclick: () => (toggleSidebar(false), drawer.toggle(false)) }));
}

/** @param {HTMLElement} start @param {HTMLElement} end */
function mountTopbar(start, end) {
  start.replaceChildren(
    iconButton("sidebar", t("sidebar.show"), () => toggleSidebar(), { id: "wc-sidebar-toggle", "aria-controls": "wc-sidebar" }),
    iconButton("compose", t("app.new_chat"), () => go(null), { id: "wc-new-chat" }),
  );
  const more = iconButton("download", t("export.menu"), () => toggleMenu(more, [...printItems(), ...exportItems(state.id, true)]), { "aria-haspopup": "menu", "aria-expanded": "false" });
  const toggle = iconButton("sliders", t("drawer.show"), () => drawer.toggle(), { id: "wc-drawer-toggle", "aria-controls": "wc-drawer", "aria-expanded": "false" });
  end.replaceChildren(more, toggle);
}

/** @returns {MenuItem[]} */
function printItems() {
  return state.id === null ? [] : [...shareItems(state.id), { label: t("print.menu"), icon: "print", onclick: print }, "-"];
}

const print = () => ctx.transcript && printChat(ctx.transcript);

function search() {
  if (phone.matches) toggleSidebar(false, { keep: false });
  openSearch({ open: go, newChat: () => go(null) });
}

/** @param {typeof composer} box @param {RegExp} pattern */
async function templates(box, pattern) {
  const { Slash } = await import("./templates/slash.js");
  return new Slash(box, pattern);
}

async function trash() {
  const { openTrash } = await import("./trash.js");
  if (phone.matches) toggleSidebar(false, { keep: false });
  openTrash({ open: go, refresh: () => ctx.transcript?.refresh() });
}

// file: one that was dropped.
/** @param {File} [file] */
async function importFile(file) {
  const { openImport } = await import("./importing/sheet.js");
  if (phone.matches) toggleSidebar(false, { keep: false });
  openImport(go, file);
}

// keep: remember it for the next visit; on a phone the list is always closed at first.
/** @param {boolean} [open] @param {{ keep?: boolean }} [options] */
function toggleSidebar(open = root.classList.contains("wc-sidebar-closed"), { keep = !phone.matches } = {}) {
  root.classList.toggle("wc-sidebar-closed", !open);
  if (keep) storage.setText("webchat_sidebar", open ? "open" : "closed");
  syncSidebar();
  if (open && phone.matches) document.querySelector("#wc-sidebar .wc-side-action")?.focus();
}

function syncSidebar() {
  const open = !root.classList.contains("wc-sidebar-closed");
  the("#wc-sidebar").inert = !open;
  the("#wc-main").inert = open && phone.matches;
  document.querySelector("#wc-sidebar-toggle")?.setAttribute("aria-expanded", String(open));
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.isComposing || event.defaultPrevented) return;
  const key = event.key.toLowerCase();
  /** @type {Record<string, (() => unknown) | null>} */
  const shortcuts = event.shiftKey ? { o: () => go(null), s: () => toggleSidebar(), l: showTemplates } : { k: search, p: state.conversation && print, "/": showShortcuts, ",": mayPrompt(connection.link) ? () => drawer.toggle() : null };
  const shortcut = command(event) && shortcuts[key];
  if (shortcut) {
    event.preventDefault();
    shortcut();
  } else if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
    escape();
  }
}

// The outermost thing first: the overlay, then the running reply.
function escape() {
  if (phone.matches && !root.classList.contains("wc-sidebar-closed")) toggleSidebar(false);
  else if (composer.running) composer.stop();
}

boot();
