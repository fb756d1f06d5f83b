// What can be done with the selected chats, in place of the foot of the list.

import { h, iconButton, toggleMenu } from "../dom.js";
import { download, FORMATS, inFormat } from "../download.js";
import { t } from "../i18n.js";

/** @typedef {{ ids(): string[], all(): void, archive(): void, remove(): void, end(): void }} Deeds */

export class SelectionBar {
  #count = h("span", { class: "wc-select-count wc-one-line", role: "status" });
  /** @type {HTMLElement} */
  #archive;

  /** @param {Deeds} deeds */
  constructor(deeds) {
    const exporting = iconButton("download", t("select.export"), () => toggleMenu(exporting, downloads(deeds.ids), { above: true }), { "aria-haspopup": "menu", "aria-expanded": "false" });
    this.#archive = iconButton("archive", "", deeds.archive);
    this.element = h(
      "div",
      { class: "wc-select-bar", role: "toolbar", "aria-label": t("select.label"), hidden: true },
      iconButton("close", t("select.end"), deeds.end),
      this.#count,
      iconButton("checks", t("select.all"), deeds.all),
      exporting,
      this.#archive,
      iconButton("trash", t("select.delete"), deeds.remove),
    );
  }

  /** @param {number} count @param {boolean} archived whether the list is that of archived chats */
  show(count, archived) {
    this.element.hidden = !count;
    this.#count.textContent = count ? t("select.count", { count }) : "";
    const label = t(archived ? "select.unarchive" : "select.archive");
    this.#archive.setAttribute("aria-label", label);
    this.#archive.title = label;
  }
}

/** @param {() => string[]} ids */
function downloads(ids) {
  return FORMATS.map((format) => ({ label: inFormat("select.as", format), onclick: () => download("api/export", format, ids()) }));
}
