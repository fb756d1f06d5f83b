// A conversation in the list: a link, what runs in it, its menu, and the box that renames it.

import { h, icon, iconButton, toggleMenu } from "../dom.js";
import { t } from "../i18n.js";

/** @import { MenuItem } from "../dom.js" */
/** @import { ListedConversation } from "../types.js" */
/** @typedef {{ open(id: string): void, select(id: string, reach: boolean): void, menu(id: string): MenuItem[], rename(id: string, title: string | null): void }} Deeds */

export class Row {
  #deeds;
  /** @type {ListedConversation | null} */
  #item = null;
  #shown = "";
  #renaming = false;
  /** @type {boolean | null} */
  #selected = null;

  /** @param {string} id @param {Deeds} deeds */
  constructor(id, deeds) {
    this.id = id;
    this.#deeds = deeds;
    this.text = h("span", { class: "wc-row-title wc-one-line", dir: "auto" });
    this.dot = h("span", { class: "wc-dot", role: "img", "aria-label": t("sidebar.running"), title: t("sidebar.running"), hidden: true });
    this.link = h("a", { href: `?c=${encodeURIComponent(id)}`, class: "wc-row-link", tabindex: "-1", onclick: (event) => this.#follow(event) }, h("span", { class: "wc-row-check" }, icon("check")), this.text, this.dot);
    this.menu = iconButton("more", t("app.more"), () => this.openMenu(), { tabindex: "-1", "aria-haspopup": "menu", "aria-expanded": "false" });
    this.menu.removeAttribute("title");
    this.element = h("li", { class: "wc-row", "data-id": id }, this.link, this.menu);
  }

  // Writes to the page only what has changed: the whole list is drawn at every look at the server.
  // selected: null where none is being selected.
  /** @param {ListedConversation} item @param {{ running: boolean, active: boolean, selected: boolean | null }} state */
  show(item, { running, active, selected }) {
    this.#item = item;
    this.#selected = selected;
    const title = item.title || t("app.untitled");
    const shown = `${running} ${active} ${selected} ${title}`;
    if (shown === this.#shown || this.#renaming) return;
    this.#shown = shown;
    this.text.textContent = title;
    this.link.title = title;
    this.dot.hidden = !running;
    this.menu.setAttribute("aria-label", t("sidebar.row_menu", { title }));
    if (active) this.link.setAttribute("aria-current", "page");
    else this.link.removeAttribute("aria-current");
    if (selected === null) for (const name of ["role", "aria-checked"]) this.link.removeAttribute(name);
    else for (const [name, value] of [["role", "checkbox"], ["aria-checked", String(selected)]]) this.link.setAttribute(name, value);
  }

  openMenu() {
    toggleMenu(this.menu, this.#deeds.menu(this.id));
  }

  // The title becomes a box in its place: Enter and leaving it save, Escape does not.
  rename() {
    if (this.#renaming || !this.#item) return;
    const { title } = this.#item;
    const box = h("input", { class: "wc-rename", maxlength: "200", dir: "auto", "aria-label": t("sidebar.rename_label") });
    box.value = title;
    this.#renaming = true;
    this.link.hidden = true;
    this.element.append(box);
    let done = false;
    /** @param {boolean} save @param {boolean} refocus */
    const finish = (save, refocus) => {
      if (done) return;
      done = true;
      this.#renaming = false;
      this.#shown = "";
      box.remove();
      this.link.hidden = false;
      if (refocus) this.link.focus();
      const wanted = box.value.trim();
      this.#deeds.rename(this.id, save && wanted && wanted !== title ? wanted : null);
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

  /** @param {MouseEvent} event */
  #follow(event) {
    if (this.#selected !== null) {
      event.preventDefault();
      return this.#deeds.select(this.id, event.shiftKey);
    }
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return; // a new tab, by the browser
    event.preventDefault();
    this.#deeds.open(this.id);
  }
}
