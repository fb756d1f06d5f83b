// The templates to choose from, above the composer: opened by a slash as its first character, or by the button.
//
// After a slash the focus stays in the composer and what is typed there filters; the button brings a search box of its
// own, so that words already written stay as they are.

import { bus } from "../bus.js";
import { h, icon, the } from "../dom.js";
import { errorLine, t } from "../i18n.js";
import { showTemplates } from "../menus.js";
import { style } from "../style.js";
import { matching, templates } from "./data.js";
import { glyph, marks } from "./marks.js";
import { useListed } from "./use.js";

/** @import { composer } from "../composer.js" */
/** @import { ListedTemplate } from "../types.js" */

const LIST = "wc-slash-list";
const LONGEST_QUERY = 60;

export class Slash {
  #composer;
  #pattern;
  /** @type {HTMLElement | null} */
  #panel = null;
  #list = h("div", { class: "wc-slash-list", id: LIST, role: "listbox", "aria-label": t("templates.title") });
  #status = h("div", { class: "wc-visually-hidden", role: "status" });
  /** @type {HTMLInputElement | null} the box of its own, when the button opened it */
  #search = null;
  /** @type {HTMLElement | null} */
  #button = null;
  /** @type {{ element: HTMLElement, choose(): void }[]} */
  #options = [];
  #at = -1;
  /** @type {ListedTemplate[] | null} */
  #items = null;
  #query = "";
  #dismissed = false; // Escape was pressed; until the slash is gone
  #wanted = false; // Enter was pressed before the list was there

  /** @param {typeof composer} box @param {RegExp} pattern */
  constructor(box, pattern) {
    this.#composer = box;
    this.#pattern = pattern;
    bus.on("open", () => this.close());
  }

  // The composer's words have changed.
  /** @param {string} words */
  typed(words) {
    const slash = this.#pattern.test(words);
    if (!slash) this.#dismissed = false;
    if (this.#search) return;
    const query = words.slice(1);
    if (!slash || this.#dismissed || query.includes("\n") || query.length > LONGEST_QUERY) {
      this.close();
      return;
    }
    if (this.#panel) this.#filter(query);
    else this.#open(query);
  }

  /** @param {HTMLElement} button */
  toggle(button) {
    if (this.#panel) return this.close({ refocus: true });
    this.#button = button;
    const search = h("input", {
      type: "search", class: "wc-slash-search", placeholder: t("templates.search"), "aria-label": t("templates.search"),
      role: "combobox", "aria-autocomplete": "list", autocomplete: "off", spellcheck: "false", maxlength: LONGEST_QUERY,
    });
    this.#search = search;
    search.addEventListener("input", (event) => !(event instanceof InputEvent && event.isComposing) && this.#filter(search.value));
    search.addEventListener("compositionend", () => this.#filter(search.value));
    search.addEventListener("keydown", (event) => !event.isComposing && event.keyCode !== 229 && this.onKey(event));
    button.setAttribute("aria-expanded", "true");
    this.#open("");
    search.focus();
  }

  // True when the key was the picker's.
  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (!this.#panel || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return false;
    const last = this.#options.length - 1;
    /** @type {Record<string, number>} */
    const moves = { ArrowDown: this.#at >= last ? 0 : this.#at + 1, ArrowUp: this.#at <= 0 ? last : this.#at - 1, Home: 0, End: last };
    if (event.key in moves) this.#choose(moves[event.key]);
    else if (event.key === "Escape") {
      this.#dismissed = this.#search === null;
      this.close({ refocus: true });
    } else if (event.key === "Enter" || event.key === "Tab") {
      if (this.#items === null) this.#wanted = true;
      else if (this.#at >= 0) this.#accept(this.#at);
      else return event.key === "Enter" && this.#search !== null; // no such template: the words are a message
    } else return false;
    event.preventDefault();
    event.stopImmediatePropagation();
    return true;
  }

  close({ refocus = false } = {}) {
    if (!this.#panel) return;
    const box = this.#box;
    document.removeEventListener("pointerdown", this.#onOutside, true);
    this.#panel.remove();
    for (const name of ["role", "aria-expanded", "aria-controls", "aria-activedescendant", "aria-autocomplete"]) box.removeAttribute(name);
    this.#button?.setAttribute("aria-expanded", "false");
    if (refocus) this.#composer.focus();
    this.#panel = this.#search = this.#button = this.#items = null;
    this.#wanted = false;
  }

  get #box() {
    return this.#search ?? this.#composer.text;
  }

  /** @param {string} query */
  async #open(query) {
    this.#query = query;
    this.#options = [];
    this.#at = -1;
    this.#items = null;
    this.#status.textContent = "";
    const panel = (this.#panel = h("div", { class: "wc-slash wc-panel", hidden: true }, this.#search, this.#list, this.#status));
    const box = this.#box;
    const attributes = { role: "combobox", "aria-expanded": "true", "aria-controls": LIST, "aria-autocomplete": "list" };
    for (const [name, value] of Object.entries(attributes)) box.setAttribute(name, value);
    document.addEventListener("pointerdown", this.#onOutside, true);
    the("#wc-composer").append(panel);
    this.#list.replaceChildren(h("p", { class: "wc-slash-note" }, t("templates.loading")));
    await style("templates");
    panel.hidden = false;
    if (this.#search && this.#panel === panel) this.#search.focus();
    try {
      const items = await templates();
      if (this.#panel !== panel) return;
      this.#items = items;
      this.#draw();
      if (this.#wanted && this.#at >= 0) this.#accept(this.#at);
    } catch (error) {
      if (this.#panel !== panel) return;
      this.#items = [];
      this.#draw(errorLine(error));
    }
  }

  #onOutside = (/** @type {PointerEvent} */ event) => {
    if (!(/** @type {Element} */ (event.target).closest(".wc-slash, #wc-composer-box"))) this.close();
  };

  /** @param {string} query */
  #filter(query) {
    if (query === this.#query) return;
    this.#query = query;
    if (this.#items) this.#draw();
  }

  #draw(problem = "") {
    const found = matching(this.#items ?? [], this.#query);
    const rows = found.map((template) => this.#row(template));
    const manage = h("div", { class: "wc-slash-row wc-slash-manage" }, icon("settings"), h("span", {}, t("templates.manage")));
    const empty = this.#query.trim() ? t("templates.none_found", { query: this.#query.trim() }) : t("templates.none");
    const words = problem || (found.length ? "" : empty);
    this.#options = [];
    rows.forEach((element, index) => this.#offer(element, () => useListed(found[index])));
    this.#offer(manage, showTemplates);
    this.#list.replaceChildren(...(words ? [h("p", { class: "wc-slash-note" }, words)] : rows), manage);
    this.#status.textContent = words || t("templates.count", { count: found.length });
    this.#list.scrollTop = 0;
    this.#choose(found.length ? 0 : -1);
  }

  /** @param {ListedTemplate} template */
  #row(template) {
    const { name, description } = template.content;
    return h(
      "div",
      { class: "wc-slash-row" },
      glyph(template),
      h("div", { class: "wc-slash-words" }, h("div", { class: "wc-slash-name wc-one-line", dir: "auto" }, name), description ? h("div", { class: "wc-slash-about wc-one-line", dir: "auto" }, description) : null),
      h("span", { class: "wc-tags" }, marks(template)),
    );
  }

  /** @param {HTMLElement} element @param {() => void} choose */
  #offer(element, choose) {
    const index = this.#options.length;
    element.id = `${LIST}-${index}`;
    element.setAttribute("role", "option");
    element.setAttribute("aria-selected", "false");
    element.addEventListener("pointerdown", (event) => event.preventDefault()); // the focus stays where it is
    element.addEventListener("click", () => this.#accept(index));
    element.addEventListener("pointermove", (event) => event.pointerType === "mouse" && this.#at !== index && this.#choose(index, false));
    this.#options.push({ element, choose });
  }

  /** @param {number} index @param {boolean} [scroll] */
  #choose(index, scroll = true) {
    this.#options[this.#at]?.element.setAttribute("aria-selected", "false");
    this.#at = index;
    const element = this.#options[index]?.element;
    element?.setAttribute("aria-selected", "true");
    if (scroll) element?.scrollIntoView({ block: "nearest" });
    if (element) this.#box.setAttribute("aria-activedescendant", element.id);
    else this.#box.removeAttribute("aria-activedescendant");
  }

  /** @param {number} index */
  #accept(index) {
    const { choose } = this.#options[index];
    if (!this.#search) this.#composer.clearSlash();
    this.close({ refocus: true });
    choose();
  }
}
