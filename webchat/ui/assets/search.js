// Ctrl/Cmd+K: one box over titles and messages; the server searches, the keyboard chooses.

import { api } from "./api.js";
import { h, icon, iconButton, showDialog } from "./dom.js";
import { language, t } from "./i18n.js";

/** @import { ListedConversation, SearchHit } from "./types.js" */
/** @typedef {Partial<SearchHit> & Partial<ListedConversation>} Found what the text was found in, or one of the newest */
/** @typedef {{ open(id: string, messageId?: string | null): void, newChat(): void }} Actions */

const WAIT = 150;
const RECENT = 12;

// actions: {open(id, messageId), newChat()}
/** @param {Actions} actions */
export function openSearch(actions) {
  if (document.querySelector(".wc-search")) return;
  const search = new Search(actions);
  search.show();
}

class Search {
  /** @type {HTMLDialogElement | null} */
  dialog = null;
  /** @type {{ element: HTMLElement, action(): void }[]} */
  choices = [];
  timer = 0;
  abort = new AbortController();
  /** @type {string | undefined} what the results are of */
  query;
  /** @type {string | null} */
  next = null;

  /** @param {Actions} actions */
  constructor(actions) {
    this.actions = actions;
    this.at = -1;
    this.wanted = false; // Enter was pressed before the answer to what was typed
    this.input = h("input", {
      type: "search",
      placeholder: t("search.placeholder"),
      "aria-label": t("app.search_chats"),
      role: "combobox",
      "aria-expanded": "true",
      "aria-controls": "wc-search-results",
      "aria-autocomplete": "list",
      autocomplete: "off",
      spellcheck: "false",
      maxlength: "200",
    });
    this.results = h("div", { class: "wc-search-results", id: "wc-search-results", role: "listbox", "aria-label": t("app.search_chats") });
    this.status = h("div", { class: "wc-visually-hidden", role: "status" });
  }

  show() {
    const hints = h(
      "div",
      { class: "wc-search-hints", "aria-hidden": "true" },
      [["↑↓", "search.hint_move"], ["↵", "search.hint_open"], ["esc", "search.hint_close"]].map(([key, text]) => h("span", {}, h("kbd", {}, key), t(text))),
    );
    this.dialog = showDialog(
      "wc-search",
      t("app.search_chats"),
      h("div", { class: "wc-search-box" }, icon("search"), this.input, iconButton("close", t("app.close"), () => this.dialog?.close())),
      this.results,
      hints,
      this.status,
    );
    this.input.addEventListener("input", () => this.later());
    this.input.addEventListener("keydown", (event) => this.onKey(event));
    this.results.addEventListener("scroll", () => this.more());
    this.input.focus();
    this.run();
  }

  later() {
    this.wanted = false;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.run(), WAIT);
  }

  async run() {
    const query = this.input.value.trim();
    this.abort.abort();
    this.abort = new AbortController();
    const { signal } = this.abort;
    const typed = () => this.input.value.trim() === query; // and nothing more since, for which Enter is
    this.next = null; // what is shown still gets no more
    try {
      const page = query
        ? await api.get("api/search", { q: query }, { signal })
        : await api.get("api/conversations", { limit: RECENT }, { signal });
      this.query = query;
      this.next = query ? page.next : null;
      this.draw(page.items, query !== "" && "whole" in page && !page.whole);
      if (this.wanted && typed() && this.dialog?.open) this.accept(this.at);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (typed()) this.wanted = false;
      this.results.replaceChildren(h("p", { class: "wc-search-note" }, t("search.failed")));
    }
  }

  async more() {
    const nearEnd = this.results.scrollTop + this.results.clientHeight > this.results.scrollHeight - 200;
    if (!nearEnd || !this.next) return;
    const cursor = this.next;
    this.next = null;
    try {
      const page = await api.get("api/search", { q: this.query, cursor }, { signal: this.abort.signal });
      this.next = page.next;
      this.add(page.items);
      this.ended("whole" in page && !page.whole);
    } catch (error) {
      if (error.name !== "AbortError") this.next = cursor; // what is there stays; scrolling on asks again
    }
  }

  /** @param {Found[]} items @param {boolean} [partly] */
  draw(items, partly = false) {
    this.choices = [];
    this.at = -1;
    this.results.replaceChildren();
    this.results.scrollTop = 0;
    if (!this.query) {
      this.push(h("div", { class: "wc-hit wc-hit-new" }, icon("compose"), h("span", {}, t("app.new_chat"))), () => this.actions.newChat());
      if (items.length) this.results.append(h("h3", { role: "presentation" }, t("search.recent")));
    }
    this.add(items);
    if (this.query && !items.length && !partly) this.results.append(h("p", { class: "wc-search-note" }, t("search.empty", { query: this.query })));
    this.ended(partly);
    this.choose(this.query && !items.length ? -1 : 0);
    const counted = this.query ? this.counted(items.length) : "";
    this.status.textContent = partly ? t("search.not_whole") : counted;
  }

  /** @param {boolean} partly */
  ended(partly) {
    if (partly) this.results.append(h("p", { class: "wc-search-note" }, t("search.not_whole")));
  }

  /** @param {number} count */
  counted(count) {
    if (!count) return t("search.empty", { query: this.query });
    if (this.next) return t("search.results_more", { count });
    return t("search.results", { count });
  }

  /** @param {Found[]} items */
  add(items) {
    for (const item of items) {
      const id = item.conversation_id ?? item.id ?? "";
      this.push(hit(item), () => this.actions.open(id, item.message_id ?? null));
    }
  }

  /** @param {HTMLElement} element @param {() => void} action */
  push(element, action) {
    const index = this.choices.length;
    element.id = `wc-hit-${index}`;
    element.setAttribute("role", "option");
    element.addEventListener("click", () => this.accept(index));
    element.addEventListener("pointermove", () => this.at !== index && this.choose(index, false));
    this.choices.push({ element, action });
    this.results.append(element);
  }

  /** @param {number} index @param {boolean} [scroll] */
  choose(index, scroll = true) {
    this.choices[this.at]?.element.setAttribute("aria-selected", "false");
    this.at = index;
    const element = this.choices[index]?.element;
    element?.setAttribute("aria-selected", "true");
    if (scroll) element?.scrollIntoView({ block: "nearest" });
    if (element) this.input.setAttribute("aria-activedescendant", element.id);
    else this.input.removeAttribute("aria-activedescendant");
  }

  /** @param {number} index */
  accept(index) {
    this.wanted = false;
    const choice = this.choices[index];
    if (!choice) return;
    this.dialog?.close();
    choice.action();
  }

  // What was typed is meant, so its answer is waited for.
  enter() {
    this.wanted = this.input.value.trim() !== this.query;
    if (!this.wanted) this.accept(this.at);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.isComposing || event.keyCode === 229) return;
    const last = this.choices.length - 1;
    if (event.key === "ArrowDown") this.choose(Math.min(this.at + 1, last));
    else if (event.key === "ArrowUp") this.choose(Math.max(this.at - 1, 0));
    else if (event.key === "Enter") this.enter();
    else if (event.key === "Escape") this.dialog?.close(); // left to the browser, the first one only empties the box
    else return;
    event.preventDefault();
  }
}

/** @param {Found} item */
function hit(item) {
  const title = item.title || t("app.untitled");
  const inTitle = item.snippet !== undefined && item.message_id === null;
  const at = item.at ?? item.updated_at ?? "";
  const body = h("div", { class: "wc-hit-body" }, h("div", { class: "wc-hit-title wc-one-line" }, inTitle ? marked(item.snippet ?? "", item.ranges) : title));
  if (item.snippet && !inTitle) body.append(h("div", { class: "wc-hit-snippet" }, marked(item.snippet, item.ranges)));
  const date = new Date(at).toLocaleDateString(language, { month: "short", day: "numeric" });
  return h("div", { class: "wc-hit" }, icon("chat"), body, h("time", { datetime: at }, date));
}

// Offsets are in characters, as Python counts them; the text goes in as text.
/** @param {string} snippet @param {[number, number][]} [ranges] */
function marked(snippet, ranges) {
  const characters = [...snippet];
  /** @type {(string | Node)[]} */
  const parts = [];
  let from = 0;
  for (const [start, end] of ranges ?? []) {
    parts.push(characters.slice(from, start).join(""), h("mark", {}, characters.slice(start, end).join("")));
    from = end;
  }
  return [...parts, characters.slice(from).join("")];
}
