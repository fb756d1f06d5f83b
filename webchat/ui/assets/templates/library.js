// All templates one may use, and the place where they are made and changed.

import { ask } from "../ask.js";
import { connection } from "../connection.js";
import { h } from "../dom.js";
import { textOf } from "../filetext.js";
import { errorLine, language, t } from "../i18n.js";
import { openSheet } from "../sheet.js";
import { style } from "../style.js";
import { toast } from "../toast.js";
import { matching, templates, verbs } from "./data.js";
import { Editor } from "./editor.js";
import { glyph, isStarter, marks } from "./marks.js";

/** @import { ListedTemplate, Template } from "../types.js" */

const LARGEST = 1_000_000; // bytes of a file that is read

/** @type {Library | null} */
let shown = null;

// template: one to open at once.
/** @param {Template | null} [template] */
export async function openLibrary(template = null) {
  if (shown) return;
  const library = (shown = new Library());
  await Promise.all([style("templates"), style("library")]);
  library.show(template);
}

export class Library {
  /** @type {ReturnType<typeof openSheet> | null} */
  #sheet = null;
  /** @type {Editor | null} */
  #editor = null;
  #body = h("div", { class: "wc-library" });
  #search = h("input", { type: "search", class: "wc-input wc-library-search", placeholder: t("templates.search"), "aria-label": t("templates.search"), autocomplete: "off", spellcheck: "false", maxlength: "100" });
  #rows = h("ul", { class: "wc-library-rows" });
  #status = h("div", { class: "wc-visually-hidden", role: "status" });
  /** @type {ListedTemplate[]} */
  #items = [];
  #closing = false;
  #at = 0; // how far the list was scrolled
  #listed = 0; // counts the lists asked for, and #opened what is to be opened: only the last of each is drawn
  #opened = 0;

  /** @param {Template | null} template */
  show(template) {
    const file = h("input", { type: "file", accept: ".yaml,.yml,.json,application/json", hidden: true });
    file.addEventListener("change", () => {
      this.#import(file.files?.[0]);
      file.value = "";
    });
    const button = (/** @type {string} */ label, /** @type {() => unknown} */ onclick, kind = "") => h("button", { type: "button", class: `wc-button ${kind}`, onclick }, label);
    this.#search.addEventListener("input", (event) => !(event instanceof InputEvent && event.isComposing) && this.#draw());
    this.#search.addEventListener("compositionend", () => this.#draw());
    const sheet = openSheet("library", {
      title: t("templates.title"),
      body: this.#body,
      actions: [file, button(t("templates.import"), () => file.click()), button(t("templates.new"), () => this.leaving(() => this.open(null)), "wc-primary")],
      mayClose: () => this.#mayClose(),
      onClose: () => {
        this.#opened += 1;
        this.#editor?.stop();
        shown = null;
      },
    });
    this.#sheet = sheet;
    this.#takeDrops(sheet.dialog);
    this.#list();
    if (template) this.open(template);
  }

  get operates() {
    return connection.me.operates === true;
  }

  // --- the list ---------------------------------------------------------------------------------------------

  async #list() {
    const asked = (this.#listed += 1);
    this.#opened += 1;
    this.#editor?.stop();
    this.#editor = null;
    this.#body.replaceChildren(h("div", { class: "wc-library-list" }, h("div", { class: "wc-library-bar" }, this.#search), this.#status, this.#rows));
    this.#search.focus({ preventScroll: true });
    try {
      const items = await templates({ fresh: true });
      if (asked !== this.#listed) return;
      this.#items = items;
      this.#draw();
      if (this.#rows.parentElement) this.#rows.parentElement.scrollTop = this.#at;
    } catch (error) {
      if (asked !== this.#listed) return;
      const again = h("button", { type: "button", class: "wc-button", onclick: () => this.#list() }, t("app.retry"));
      this.#rows.replaceChildren(h("li", { class: "wc-library-note", role: "alert" }, h("p", {}, errorLine(error)), again));
    }
  }

  #draw() {
    const query = this.#search.value.trim();
    const found = matching(this.#items, query);
    const words = query ? t("templates.none_found", { query }) : t("templates.none");
    this.#rows.replaceChildren(...(found.length ? found.map((template) => this.#row(template)) : [h("li", { class: "wc-library-note" }, h("p", {}, words), query ? null : h("p", { class: "wc-quiet" }, t("templates.none_hint")))]));
    this.#status.textContent = found.length ? t("templates.count", { count: found.length }) : words;
  }

  /** @param {ListedTemplate} template */
  #row(template) {
    const { name, description } = template.content;
    const date = template.updated_at ? new Date(template.updated_at).toLocaleDateString(language, { month: "short", day: "numeric" }) : "";
    const open = h(
      "button",
      { type: "button", class: "wc-library-row", "data-id": template.id, onclick: () => this.leaving(() => this.openLater(verbs.get(template.id))) },
      glyph(template),
      h("span", { class: "wc-library-words" }, h("span", { class: "wc-library-name wc-one-line", dir: "auto" }, name), description ? h("span", { class: "wc-library-about wc-one-line", dir: "auto" }, description) : null),
      h("span", { class: "wc-tags" }, marks(template)),
      h("time", { datetime: template.updated_at }, isStarter(template) ? "" : date),
    );
    return h("li", {}, open);
  }

  // --- what the editor asks ---------------------------------------------------------------------------------

  // Opens what is on its way, unless something else was wanted by then. Resolves to the template.
  /** @param {Promise<Template>} coming */
  async openLater(coming) {
    const asked = (this.#opened += 1);
    const template = await coming;
    if (asked === this.#opened) this.open(template);
    return template;
  }

  // A record, or null for a new one.
  /** @param {Template | null} template */
  open(template) {
    this.#opened += 1;
    this.#at = this.#rows.parentElement?.scrollTop ?? 0;
    this.#editor?.stop();
    const editor = (this.#editor = new Editor(this, template));
    this.#body.replaceChildren(editor.element);
    editor.focus();
  }

  back() {
    return this.leaving(() => this.#list());
  }

  close() {
    this.#closing = true;
    this.#sheet?.close();
  }

  // Does what would lose unsaved changes, once that is wanted.
  /** @param {() => unknown} work */
  async leaving(work) {
    if (this.#editor?.dirty) {
      if (!(await ask({ title: t("templates.leave_title"), words: t("templates.leave_words"), yes: t("templates.discard"), no: t("templates.keep_editing") }))) return;
      this.#editor.discard();
    }
    try {
      await work();
    } catch (error) {
      if (!error.code) throw error;
      toast(errorLine(error), { kind: "error" });
    }
  }

  #mayClose() {
    if (this.#closing || !this.#editor?.dirty) return true;
    this.leaving(() => this.close());
    return false;
  }

  // --- files ------------------------------------------------------------------------------------------------

  /** @param {HTMLDialogElement} dialog */
  #takeDrops(dialog) {
    const files = (/** @type {DragEvent} */ event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    dialog.addEventListener("dragover", (event) => {
      if (!files(event)) return;
      event.preventDefault();
      dialog.classList.add("wc-dropping");
    });
    dialog.addEventListener("dragleave", (event) => event.relatedTarget && dialog.contains(/** @type {Node} */ (event.relatedTarget)) ? null : dialog.classList.remove("wc-dropping"));
    dialog.addEventListener("drop", (event) => {
      if (!files(event)) return;
      event.preventDefault();
      dialog.classList.remove("wc-dropping");
      this.#import(event.dataTransfer?.files[0]);
    });
  }

  /** @param {File} [file] */
  #import(file) {
    if (!file) return;
    if (file.size > LARGEST) return void toast(t("templates.file_too_large"), { kind: "error" });
    this.leaving(async () => {
      const text = await textOf(file, LARGEST);
      if (text === null) return void toast(t("files.no_text", { name: file.name }), { kind: "error" });
      const made = await this.openLater(verbs.import(text));
      toast(t("templates.imported", { name: made.content.name }));
    });
  }
}
