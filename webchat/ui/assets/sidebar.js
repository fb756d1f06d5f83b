// The list of conversations: grouped by day, loaded as it is scrolled, kept fresh while the page is looked at.

import { api } from "./api.js";
import { bus } from "./bus.js";
import { h, icon, iconButton, isMac, toggleMenu } from "./dom.js";
import { errorText, language, t } from "./i18n.js";
import { toast } from "./toast.js";

const PAGE = 40;
const IDLE_POLL = 5000;
const BUSY_POLL = 2000;

const state = {
  items: new Map(), // id -> conversation, all that was loaded
  rows: new Map(), // id -> its row, reused between drawings
  running: new Set(), // known from turns on this page, before the server is asked
  next: null,
  loading: false,
  failed: false,
  archived: false,
  active: null,
  renaming: null,
};
let actions, list, foot, timer, titleUntil = 0;

const channel = "BroadcastChannel" in window ? new BroadcastChannel("webchat") : null;

// actions: {open(id), newChat(), search(), menu(button), exportItems(id), close()}
export function mountSidebar(element, callbacks) {
  actions = callbacks;
  const panel = document.querySelector("#wc-sidebar");
  panel.setAttribute("role", "navigation");
  panel.setAttribute("aria-label", t("sidebar.label"));
  list = h("div", { class: "wc-list", onkeydown: onListKey });
  foot = h("div", { class: "wc-list-foot" });
  element.replaceChildren(header(), h("div", { class: "wc-scroll", tabindex: "-1" }, list, foot), footer());
  new IntersectionObserver(([entry]) => entry.isIntersecting && state.next && loadMore(), {
    root: element.querySelector(".wc-scroll"),
    rootMargin: "600px",
  }).observe(foot);
  bus.on("conversation", ({ conversation }) => put(conversation));
  bus.on("leaf", onLeaf);
  if (channel) channel.onmessage = () => refresh();
  document.addEventListener("visibilitychange", () => !document.hidden && refresh());
  load();
}

export const sidebar = {
  set active(id) {
    state.active = id;
    draw();
  },

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
    h("button", { type: "button", class: "wc-side-action", onclick: actions.newChat }, icon("compose"), h("span", {}, t("app.new_chat"))),
    h("button", { type: "button", class: "wc-side-action", onclick: actions.search }, icon("search"), h("span", {}, t("app.search_chats")), h("kbd", { "aria-hidden": "true" }, key)),
  );
}

function brand() {
  const mark = h("img", { src: new URL("./icon.svg", import.meta.url).href, alt: "", width: "22", height: "22" });
  return h("span", { class: "wc-brand" }, mark, h("span", {}, window.webchatConfig.title));
}

function footer() {
  return h(
    "div",
    { class: "wc-sidebar-foot" },
    h("button", { type: "button", class: "wc-side-action", "aria-haspopup": "menu", "aria-expanded": "false", onclick: (event) => actions.menu(event.currentTarget) }, icon("settings"), h("span", {}, t("sidebar.menu"))),
  );
}

// --- loading ------------------------------------------------------------------------------------------------

async function load() {
  state.items.clear();
  state.next = null;
  state.failed = false;
  state.loading = true;
  draw();
  const archived = state.archived;
  try {
    const page = await fetchPage();
    if (archived !== state.archived) return;
    take(page);
    state.next = page.next;
  } catch {
    state.failed = true;
  } finally {
    state.loading = false;
    draw();
    schedule();
  }
}

async function loadMore() {
  if (state.loading) return;
  state.loading = true;
  const { archived, next } = state;
  try {
    const page = await fetchPage(next);
    if (archived !== state.archived) return;
    take(page);
    state.next = page.next;
  } catch {
    state.next = null; // the foot offers to try again
    state.failed = true;
  } finally {
    state.loading = false;
    draw();
  }
}

// The newest page again: new and changed conversations come in, those deleted elsewhere go.
async function refresh() {
  if (state.loading || !list) return;
  const archived = state.archived;
  try {
    const page = await fetchPage();
    if (archived !== state.archived || state.loading) return;
    const fresh = new Set(page.items.map((item) => item.id));
    const last = page.items.at(-1);
    for (const item of state.items.values()) {
      const covered = page.next === null || (last && before(item, last) < 0);
      if (covered && !fresh.has(item.id)) state.items.delete(item.id);
    }
    if (state.failed) {
      state.failed = false;
      state.next = page.next;
    }
    take(page);
    draw();
  } catch {
    // the connection bar says it; the list stays as it is
  } finally {
    schedule();
  }
}

function fetchPage(cursor) {
  return api.get("api/conversations", { cursor, limit: PAGE, archived: state.archived ? 1 : 0 });
}

function take(page) {
  for (const item of page.items) {
    state.items.set(item.id, item);
    if (item.id !== state.active) state.running.delete(item.id);
    if (item.id === state.active) bus.emit("title", { conversation: item });
  }
}

function put(conversation) {
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

function before(a, b) {
  if (a.pinned !== b.pinned) return a.pinned ? -1 : 1;
  if (a.updated_at !== b.updated_at) return a.updated_at > b.updated_at ? -1 : 1;
  return a.id > b.id ? -1 : 1;
}

function isRunning(item) {
  return item.running || state.running.has(item.id);
}

function draw() {
  if (!list) return;
  const groups = new Map();
  const clock = calendar();
  for (const item of [...state.items.values()].sort(before)) {
    const name = item.pinned && !state.archived ? t("sidebar.pinned") : clock(item.updated_at);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(row(item));
  }
  const kept = new Set(state.items.keys());
  for (const id of state.rows.keys()) if (!kept.has(id)) state.rows.delete(id);
  const heads = state.archived ? [archiveHead()] : [];
  const sections = [...groups].map(([name, rows]) => section(name, rows));
  reconcile(list, [...heads, ...sections]);
  foot.replaceChildren(...footContent());
}

const sectionCache = new Map();

function section(name, rows) {
  let found = sectionCache.get(name);
  if (!found) {
    const items = h("ul", {});
    found = { element: h("section", { "aria-label": name }, h("h3", {}, name), items), items };
    sectionCache.set(name, found);
  }
  reconcile(found.items, rows);
  return found.element;
}

// Brings the children into this order and moves only what is not in its place, so that focus and scroll stay.
function reconcile(parent, wanted) {
  wanted.forEach((child, at) => {
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
  });
  while (parent.children.length > wanted.length) parent.lastElementChild.remove();
}

// Names the group a time belongs to, seen from now.
function calendar() {
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  const day = (back) => new Date(midnight.getFullYear(), midnight.getMonth(), midnight.getDate() - back);
  const [yesterday, week] = [day(1), day(7)];
  const month = new Intl.DateTimeFormat(language, { month: "long" });
  const monthOfYear = new Intl.DateTimeFormat(language, { month: "long", year: "numeric" });
  return (iso) => {
    const at = new Date(iso);
    if (at >= midnight) return t("sidebar.today");
    if (at >= yesterday) return t("sidebar.yesterday");
    if (at >= week) return t("sidebar.week");
    return (at.getFullYear() === midnight.getFullYear() ? month : monthOfYear).format(at);
  };
}

function row(item) {
  let element = state.rows.get(item.id);
  if (!element) {
    element = makeRow(item.id);
    state.rows.set(item.id, element);
  }
  const [link, menu] = element.children;
  const title = item.title || t("app.untitled");
  if (state.renaming !== item.id) {
    const [text, dot] = link.children;
    if (text.textContent !== title) text.textContent = title;
    link.title = title;
    dot.hidden = !isRunning(item);
    menu.setAttribute("aria-label", t("sidebar.row_menu", { title }));
  }
  if (item.id === state.active) link.setAttribute("aria-current", "page");
  else link.removeAttribute("aria-current");
  return element;
}

function makeRow(id) {
  const dot = h("span", { class: "wc-dot", role: "img", "aria-label": t("sidebar.running"), title: t("sidebar.running"), hidden: true });
  const link = h("a", { href: `?c=${encodeURIComponent(id)}`, class: "wc-row-link", onclick: (event) => follow(event, id) }, h("span", { class: "wc-row-title" }), dot);
  const menu = iconButton("more", t("app.more"), () => toggleMenu(menu, rowActions(id)), { "aria-haspopup": "menu", "aria-expanded": "false" });
  menu.removeAttribute("title");
  return h("li", { class: "wc-row" }, link, menu);
}

function follow(event, id) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return; // a new tab, by the browser
  event.preventDefault();
  actions.open(id);
}

function archiveHead() {
  archiveHead.element ??= h("button", { type: "button", class: "wc-side-action wc-archive-head", onclick: () => showArchived(false) }, icon("back"), h("span", {}, t("sidebar.back")));
  return archiveHead.element;
}

function footContent() {
  if (state.loading) return [h("div", { class: "wc-list-note wc-list-wait" }, h("span", { class: "wc-visually-hidden" }, t("sidebar.loading")))];
  if (state.failed) return [h("div", { class: "wc-list-note" }, t("sidebar.failed"), " ", h("button", { type: "button", class: "wc-link", onclick: load }, t("app.retry")))];
  const parts = [];
  if (!state.items.size) parts.push(h("div", { class: "wc-list-note" }, t(state.archived ? "sidebar.empty_archived" : "sidebar.empty")));
  if (!state.archived && !state.next) {
    parts.push(h("button", { type: "button", class: "wc-side-action wc-quiet", onclick: () => showArchived(true) }, icon("archive"), h("span", {}, t("sidebar.show_archived"))));
  }
  return parts;
}

function showArchived(archived) {
  state.archived = archived;
  load();
}

// --- what one does with a conversation ----------------------------------------------------------------------

function rowActions(id) {
  const item = state.items.get(id);
  if (!item) return [];
  return [
    { label: t("sidebar.rename"), icon: "pencil", onclick: () => rename(id) },
    { label: t(item.pinned ? "sidebar.unpin" : "sidebar.pin"), icon: "pin", onclick: () => patch(id, { pinned: !item.pinned }) },
    { label: t(item.archived ? "sidebar.unarchive" : "sidebar.archive"), icon: "archive", onclick: () => archive(id, !item.archived) },
    "-",
    ...actions.exportItems(id),
    "-",
    { label: t("sidebar.delete"), icon: "trash", danger: true, onclick: () => remove(id) },
  ];
}

async function patch(id, changes) {
  try {
    const conversation = await api.patch(`api/conversations/${id}`, changes);
    bus.emit("conversation", { conversation });
    tell("changed", id);
    return true;
  } catch (error) {
    toast(errorText(error).message, { kind: "error" });
    draw();
    return false;
  }
}

async function archive(id, archived) {
  if (!(await patch(id, { archived })) || !archived) return;
  toast(t("sidebar.archived_done"), { action: { label: t("app.undo"), onclick: () => patch(id, { archived: false }) } });
}

async function remove(id) {
  const item = state.items.get(id);
  const wasActive = state.active === id;
  state.items.delete(id);
  draw();
  if (wasActive) actions.newChat();
  try {
    await api.delete(`api/conversations/${id}`);
  } catch (error) {
    state.items.set(id, item);
    draw();
    toast(errorText(error).message, { kind: "error" });
    return;
  }
  tell("deleted", id);
  toast(t("sidebar.deleted"), { action: { label: t("app.undo"), onclick: () => restore(id, wasActive) } });
}

async function restore(id, open) {
  try {
    const conversation = await api.post(`api/conversations/${id}/restore`);
    bus.emit("conversation", { conversation });
    tell("changed", id);
    if (open) actions.open(id);
  } catch (error) {
    toast(errorText(error).message, { kind: "error" });
  }
}

function tell(type, conversationId) {
  channel?.postMessage({ type, conversationId });
}

// The title becomes a box in its place: Enter and leaving it save, Escape does not.
function rename(id) {
  const item = state.items.get(id);
  const element = state.rows.get(id);
  if (!item || !element || state.renaming) return;
  const [link] = element.children;
  const box = h("input", { class: "wc-rename", maxlength: "200", "aria-label": t("sidebar.rename_label") });
  box.value = item.title;
  state.renaming = id;
  link.hidden = true;
  element.append(box);
  let done = false;
  const finish = (save, refocus) => {
    if (done) return;
    done = true;
    const title = box.value.trim();
    state.renaming = null;
    box.remove();
    link.hidden = false;
    if (refocus) link.focus();
    if (save && title && title !== item.title) {
      item.title = title;
      patch(id, { title });
    }
    draw();
  };
  box.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter") finish(true, true);
    if (event.key === "Escape") finish(false, true);
  });
  box.addEventListener("blur", () => finish(true, false));
  box.focus();
  box.setSelectionRange(0, box.value.length, "backward"); // the beginning stays in view
}

function onListKey(event) {
  const links = [...list.querySelectorAll(".wc-row-link")];
  const at = links.indexOf(document.activeElement);
  if (at < 0) return;
  const id = [...state.rows].find(([, element]) => element.contains(document.activeElement))?.[0];
  if (event.key === "ArrowDown") links[at + 1]?.focus();
  else if (event.key === "ArrowUp") links[at - 1]?.focus();
  else if (event.key === "F2") rename(id);
  else if (event.key === "Delete") remove(id);
  else return;
  event.preventDefault();
}
