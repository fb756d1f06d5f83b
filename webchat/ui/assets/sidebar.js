// The list of conversations: grouped by day, loaded as it is scrolled, kept fresh while the page is looked at.

import { api } from "./api.js";
import { bus } from "./bus.js";
import { connection } from "./connection.js";
import { h, icon, iconButton, isMac, the } from "./dom.js";
import { language, t } from "./i18n.js";
import { shareItems } from "./shares/menu.js";
import { before, calendar } from "./sidebar/calendar.js";
import { SelectionBar } from "./sidebar/bar.js";
import { archive, change, onElsewhere, remove as removeThere } from "./sidebar/deeds.js";
import { RowKeys } from "./sidebar/keys.js";
import { Row } from "./sidebar/row.js";
import { savedLine } from "./sidebar/saved.js";
import { MOST, Selection } from "./sidebar/selection.js";
import { toast } from "./toast.js";

/** @import { Attributes, Child, IconName, MenuItem } from "./dom.js" */
/** @import { ConversationPage, Events, ListedConversation } from "./types.js" */
/** @typedef {{ open(id: string): void, newChat(): void, search(): void, menu(button: HTMLElement): void, trash(): void, exportItems(id: string): MenuItem[], close(): void }} Actions */

const PAGE = 40;
const IDLE_POLL = 5000;
const BUSY_POLL = 2000;

/** @type {{ items: Map<string, ListedConversation>, rows: Map<string, Row>, running: Set<string>, next: string | null, loading: boolean, failed: boolean, archived: boolean, active: string | null, visit: number, changes: number, asked: number, drawn: number, leaving: Set<string> }} */
const state = {
  items: new Map(), // id -> conversation, all that was loaded
  rows: new Map(), // id -> its row, reused between drawings
  running: new Set(), // known from turns on this page, before the server is asked
  next: null,
  loading: false,
  failed: false,
  archived: false,
  active: null,
  visit: 0, // counts what was loaded from its beginning: answers to an earlier one are dropped
  changes: 0, // counts what was done here: a list that was asked for before is old
  asked: 0, // counts the looks at what is new; drawn: the newest of them that is shown
  drawn: 0,
  leaving: new Set(), // ids of those that are being deleted
};
/** @type {Actions} */
let actions;
/** @type {HTMLElement} */
let list;
/** @type {RowKeys} */
let keys;
/** @type {HTMLElement} */
let foot;
/** @type {IntersectionObserver} */
let footSeen;
/** @type {HTMLElement} */
let archiveButton;
const selection = new Selection();
/** @type {SelectionBar} */
let bar;
/** @type {HTMLElement} */
let panelFoot;
let timer = 0;
let titleUntil = 0;

/** @param {HTMLElement} element @param {Actions} callbacks */
export function mountSidebar(element, callbacks) {
  actions = callbacks;
  const panel = the("#wc-sidebar");
  panel.setAttribute("role", "navigation");
  panel.setAttribute("aria-label", t("sidebar.label"));
  list = h("div", { class: "wc-list" });
  keys = new RowKeys(list, {
    F2: (row) => rename(row.dataset.id ?? ""),
    Delete: (row) => remove(selection.size ? selected() : [row.dataset.id ?? ""]),
    " ": (row) => select(row.dataset.id ?? ""),
    menu: (row) => state.rows.get(row.dataset.id ?? "")?.openMenu(),
  });
  foot = h("div", { class: "wc-list-foot" });
  bar = new SelectionBar({ ids: selected, all: selectAll, archive: archiveSelected, remove: () => remove(selected()), end: endSelecting });
  panelFoot = footer();
  element.replaceChildren(header(), h("div", { class: "wc-scroll", tabindex: "-1" }, list, foot), bar.element, panelFoot);
  element.addEventListener("keydown", onSelectingKey);
  footSeen = new IntersectionObserver((entries) => entries.at(-1)?.isIntersecting && state.next && loadMore(), {
    root: element.querySelector(".wc-scroll"),
    rootMargin: "600px",
  });
  bus.on("conversation", ({ conversation }) => put(conversation));
  bus.on("leaf", onLeaf);
  bus.on("emptied", () => refresh());
  onElsewhere(() => refresh());
  bus.on("news", () => !document.hidden && refresh());
  document.addEventListener("visibilitychange", () => !document.hidden && refresh());
  load();
}

export const sidebar = {
  /** @param {string | null} id */
  set active(id) {
    state.active = id;
    draw();
    keys.to(state.rows.get(id ?? "")?.element);
  },

  /** @param {string} id */
  get(id) {
    return state.items.get(id);
  },

  rowActions,
  rename,
  refresh,
};

function header() {
  const key = isMac ? "⌘K" : "Ctrl K";
  return h(
    "div",
    { class: "wc-sidebar-head" },
    h("div", { class: "wc-sidebar-title" }, brand(), iconButton("sidebar", t("sidebar.hide"), actions.close, { "aria-controls": "wc-sidebar" })),
    side("compose", t("app.new_chat"), actions.newChat),
    side("search", t("app.search_chats"), actions.search, {}, h("kbd", { "aria-hidden": "true" }, key)),
  );
}

function brand() {
  const mark = h("img", { src: new URL("./icon.svg", import.meta.url).href, alt: "", width: "22", height: "22" });
  return h("span", { class: "wc-brand" }, mark, h("span", { class: "wc-one-line" }, window.webchatConfig.title));
}

function footer() {
  archiveButton = side("archive", t("sidebar.archived"), () => showArchived(!state.archived), { "aria-pressed": "false", class: "wc-side-action wc-quiet" });
  const menu = side("settings", t("sidebar.menu"), (event) => actions.menu(event.currentTarget), { id: "wc-menu-button", "aria-haspopup": "menu", "aria-expanded": "false" });
  the("span", menu).append(who());
  return h(
    "div",
    { class: "wc-sidebar-foot" },
    savedLine(),
    archiveButton,
    side("trash", t("trash.title"), actions.trash, { "aria-haspopup": "dialog", class: "wc-side-action wc-quiet" }),
    menu,
  );
}

// The name of the person who signed in, below what the menu is called.
function who() {
  const name = h("span", { class: "wc-side-who wc-one-line", dir: "auto" });
  const draw = () => (name.textContent = connection.me.person?.name ?? "");
  bus.on("me", draw);
  draw();
  return name;
}

/** @param {IconName} glyph @param {string} label @param {(event: any) => void} onclick @param {Attributes} [attributes] @param {...Child} more */
function side(glyph, label, onclick, attributes = {}, ...more) {
  return h("button", { type: "button", class: "wc-side-action", onclick, ...attributes }, icon(glyph), h("span", {}, label), more);
}

// --- loading ------------------------------------------------------------------------------------------------

async function load() {
  state.items.clear();
  state.next = null;
  state.failed = false;
  state.visit += 1;
  state.loading = true;
  draw();
  await read(null);
  schedule();
}

async function loadMore() {
  if (!state.loading) await read(state.next);
}

/** @param {string | null} cursor */
async function read(cursor) {
  state.loading = true;
  const { visit } = state;
  let page = null;
  try {
    page = await fetchPage(cursor);
  } catch {
    // the foot offers to try again
  }
  if (visit !== state.visit) return;
  if (page) take(page);
  state.next = page?.next ?? null;
  state.failed = page === null;
  state.loading = false;
  draw();
  lookAtFoot();
}

// The newest page again: new and changed conversations come in, those deleted elsewhere go.
async function refresh() {
  if (state.loading || !list) return;
  const { visit, changes } = state;
  const asked = (state.asked += 1);
  try {
    const page = await fetchPage();
    if (visit !== state.visit || state.loading || asked < state.drawn) return;
    if (changes !== state.changes) return void refresh(); // read before what was done here meanwhile
    state.drawn = asked;
    const fresh = new Set(page.items.map((item) => item.id));
    const last = page.items.at(-1);
    for (const item of state.items.values()) {
      const covered = page.next === null || (last && before(item, last) < 0);
      if (covered && !fresh.has(item.id)) state.items.delete(item.id);
    }
    const again = state.failed;
    if (again) {
      state.failed = false;
      state.next = page.next;
    }
    take(page);
    draw();
    if (again) lookAtFoot();
  } catch {
    // the connection bar says it; the list stays as it is
  } finally {
    schedule();
  }
}

// An observer tells of changes only: a foot that was out of sight and back within a frame, or seen while a page was
// on its way, is not told of again. So it is looked at anew after each page.
function lookAtFoot() {
  footSeen.unobserve(foot);
  footSeen.observe(foot);
}

/** @param {string | null} [cursor] @returns {Promise<ConversationPage>} */
function fetchPage(cursor) {
  return api.get("api/conversations", { cursor, limit: PAGE, archived: state.archived ? 1 : 0 });
}

/** @param {ConversationPage} page */
function take(page) {
  for (const item of page.items) {
    if (state.leaving.has(item.id)) continue;
    state.items.set(item.id, item);
    if (item.id !== state.active) state.running.delete(item.id);
    if (item.id === state.active) bus.emit("title", { conversation: item });
  }
}

/** @param {ListedConversation} conversation */
function put(conversation) {
  state.changes += 1;
  if (Boolean(conversation.archived) !== state.archived) state.items.delete(conversation.id);
  else state.items.set(conversation.id, conversation);
  draw();
}

function schedule() {
  clearTimeout(timer);
  const busy = Date.now() < titleUntil || [...state.items.values()].some(isRunning);
  timer = setTimeout(() => (document.hidden ? schedule() : refresh()), busy ? BUSY_POLL : IDLE_POLL);
}

// A turn began or ended here: mark it at once, and look for the title the model may give it.
/** @param {Events["leaf"]} leaf */
function onLeaf({ conversationId, running }) {
  if (!conversationId) return;
  const was = state.running.has(conversationId);
  if (running) state.running.add(conversationId);
  else state.running.delete(conversationId);
  const item = state.items.get(conversationId);
  if (item) item.running = Boolean(running);
  if (was === Boolean(running)) return;
  draw();
  titleUntil = Date.now() + 15_000;
  setTimeout(refresh, running ? 300 : 800);
}

// --- drawing ------------------------------------------------------------------------------------------------

/** @param {ListedConversation} item */
function isRunning(item) {
  return item.running || state.running.has(item.id);
}

/** @returns {void} */
function draw() {
  if (!list) return;
  /** @type {Map<string, HTMLElement[]>} */
  const groups = new Map();
  const named = calendar(new Date(), language, t);
  selection.keep(state.items);
  for (const item of inOrder()) {
    const name = item.pinned && !state.archived ? t("sidebar.pinned") : named(item.updated_at);
    groups.set(name, [...(groups.get(name) ?? []), row(item)]);
  }
  for (const id of state.rows.keys()) if (!state.items.has(id)) state.rows.delete(id);
  const heads = state.archived ? [archiveHead()] : [];
  const sections = [...groups].map(([name, rows]) => section(name, rows));
  reconcile(list, [...heads, ...sections]);
  keys.settle();
  archiveButton.setAttribute("aria-pressed", String(state.archived));
  foot.replaceChildren(...footContent());
  list.classList.toggle("wc-selecting", selection.size > 0);
  bar.show(selection.size, state.archived);
  panelFoot.hidden = selection.size > 0;
}

function inOrder() {
  return [...state.items.values()].sort(before);
}

/** @type {Map<string, { element: HTMLElement, items: HTMLElement }>} */
const sectionCache = new Map();

/** @param {string} name @param {HTMLElement[]} rows */
function section(name, rows) {
  let found = sectionCache.get(name);
  if (!found) {
    const items = h("ul", {});
    found = { element: h("section", { "aria-label": name }, h("h2", {}, name), items), items };
    sectionCache.set(name, found);
  }
  reconcile(found.items, rows);
  return found.element;
}

// Brings the children into this order and moves only what is not in its place, so that focus and scroll stay.
/** @param {HTMLElement} parent @param {HTMLElement[]} wanted */
function reconcile(parent, wanted) {
  /** @type {Set<Element>} */
  const kept = new Set(wanted);
  for (const child of [...parent.children]) if (!kept.has(child)) child.remove();
  let place = parent.firstElementChild;
  for (const child of wanted) {
    if (child === place) place = child.nextElementSibling;
    else parent.insertBefore(child, place);
  }
}

/** @param {ListedConversation} item */
function row(item) {
  let found = state.rows.get(item.id);
  if (!found) state.rows.set(item.id, (found = new Row(item.id, { open: actions.open, select, menu: rowActions, rename: renamed })));
  found.show(item, { running: isRunning(item), active: item.id === state.active, selected: selection.size ? selection.has(item.id) : null });
  return found.element;
}

/** @type {HTMLElement | null} */
let archiveTitle = null;

function archiveHead() {
  return (archiveTitle ??= h(
    "div",
    { class: "wc-archive-head" },
    side("back", t("sidebar.back"), () => showArchived(false)),
    h("h2", { class: "wc-archive-title" }, t("sidebar.archived")),
  ));
}

function footContent() {
  if (state.loading) return [h("div", { class: "wc-list-note wc-list-wait" }, h("span", { class: "wc-visually-hidden" }, t("sidebar.loading")))];
  if (state.failed) return [h("div", { class: "wc-list-note" }, t("sidebar.failed"), " ", h("button", { type: "button", class: "wc-link", onclick: load }, t("app.retry")))];
  return state.items.size ? [] : [h("div", { class: "wc-list-note" }, t(state.archived ? "sidebar.empty_archived" : "sidebar.empty"))];
}

/** @param {boolean} archived */
function showArchived(archived) {
  state.archived = archived;
  selection.clear();
  load();
}

// --- what one does with a conversation ----------------------------------------------------------------------

/** @param {string} id @returns {MenuItem[]} */
function rowActions(id) {
  const item = state.items.get(id);
  if (!item) return [];
  return [
    { label: t("sidebar.rename"), icon: "pencil", onclick: () => rename(id) },
    { label: t(item.pinned ? "sidebar.unpin" : "sidebar.pin"), icon: "pin", onclick: () => change(id, { pinned: !item.pinned }) },
    { label: t(item.archived ? "sidebar.unarchive" : "sidebar.archive"), icon: "archive", onclick: () => archive([id], !item.archived) },
    { label: t("select.start"), icon: "check", onclick: () => (select(id), state.rows.get(id)?.link.focus()) },
    "-",
    ...shareItems(id),
    ...actions.exportItems(id),
    { label: t("info.menu"), icon: "info", onclick: () => showInfo(item) },
    "-",
    { label: t("sidebar.delete"), icon: "trash", danger: true, onclick: () => remove([id]) },
  ];
}

/** @param {ListedConversation} item */
async function showInfo(item) {
  const { openInfo } = await import("./importing/info.js");
  openInfo(item);
}

// The conversations go at once, and come back if the server does not let them go.
/** @param {string[]} ids */
async function remove(ids) {
  const items = ids.flatMap((id) => state.items.get(id) ?? []);
  const active = items.find((item) => item.id === state.active)?.id;
  const inBar = bar.element.contains(document.activeElement);
  for (const { id } of items) {
    const row = state.rows.get(id);
    if (row) keys.leave(row.element);
    state.items.delete(id);
    state.leaving.add(id);
  }
  draw();
  if (inBar) keys.focus();
  if (active) actions.newChat();
  const gone = new Set(await removeThere(ids, (back) => active && back.includes(active) && actions.open(active)));
  for (const id of ids) state.leaving.delete(id);
  state.changes += 1;
  for (const item of items) if (!gone.has(item.id)) put(item);
}

// --- selecting several --------------------------------------------------------------------------------------

/** @param {string} id @param {boolean} [reach] from the one chosen before to this one */
function select(id, reach = false) {
  const fits = reach ? selection.reach(id, inOrder().map((item) => item.id)) : selection.toggle(id);
  if (!fits) toast(t("select.most", { count: MOST }));
  draw();
}

function selected() {
  return selection.ids(inOrder().map((item) => item.id));
}

function endSelecting() {
  const inBar = bar.element.contains(document.activeElement);
  selection.clear();
  draw();
  if (inBar) keys.focus();
}

function archiveSelected() {
  const ids = selected();
  endSelecting();
  archive(ids, !state.archived);
}

/** @param {KeyboardEvent} event */
function onSelectingKey(event) {
  if (!selection.size || /** @type {Element} */ (event.target).matches("input")) return;
  const all = event.key === "a" && (event.ctrlKey || event.metaKey);
  if (!all && event.key !== "Escape") return;
  event.preventDefault();
  event.stopPropagation(); // Escape stops the reply, too
  if (all) selectAll();
  else endSelecting();
}

function selectAll() {
  if (!selection.all(inOrder().map((item) => item.id))) toast(t("select.most", { count: MOST }));
  draw();
}

/** @param {string} id */
function rename(id) {
  state.rows.get(id)?.rename();
}

// The box is closed; title: the new one, or null.
/** @param {string} id @param {string | null} title */
async function renamed(id, title) {
  const item = state.items.get(id);
  if (item && title !== null) state.items.set(id, { ...item, title });
  draw();
  if (title !== null && !(await change(id, { title })) && item) {
    state.items.set(id, item);
    draw();
  }
}
