// One template, opened in the library: its texts and variables, what comes of them, and what it was before.

import { h, iconButton, toggleMenu } from "../dom.js";
import { download } from "../download.js";
import { drafts } from "../drafts.js";
import { errorLine, t } from "../i18n.js";
import { setProblem } from "../sheet.js";
import { toast } from "../toast.js";
import { drafted, EMPTY, outgoing, same } from "./content.js";
import { problemText, verbs } from "./data.js";
import { samplingFields, TextFields } from "./fields.js";
import { VariablesForm } from "./form.js";
import { isStarter, marks } from "./marks.js";
import { Preview } from "./preview.js";
import { useTemplate } from "./use.js";
import { VariablesEditor } from "./variables.js";
import { versionsPane } from "./versions.js";

/** @import { MenuItem } from "../dom.js" */
/** @import { Failure, Template, TemplateText, TemplateVersion } from "../types.js" */
/** @import { Library } from "./library.js" */
/** @import { Values } from "./form.js" */
/** @typedef {{ base?: TemplateText, basedOn?: number, scope?: Template["scope"], tab?: string }} Showing */

export class Editor {
  #library;
  /** @type {Template | null} the record, null while it is new */
  #template = null;
  /** @type {TemplateText} */
  #draft;
  /** @type {TemplateText} the content last saved */
  #base;
  #basedOn = 0; // the version it was
  /** @type {Template["scope"]} */
  #scope = "personal";
  #busy = false;
  #versionsAsked = {};
  /** @type {Values} */
  #values = {};
  #gone = false;

  /** @param {Library} library @param {Template | null} template @param {TemplateText} [content] */
  constructor(library, template, content = EMPTY) {
    this.#library = library;
    this.element = h("div", { class: "wc-template", "data-tab": "edit" });
    this.#show(template, drafted(template?.content ?? content));
    this.#restore();
    drafts.adopt([this.#place], () => this.#restore());
  }

  get #place() {
    return `template:${this.#template?.id ?? "new"}`;
  }

  get #id() {
    return this.#template?.id ?? "";
  }

  // What was changed here before, and neither saved nor discarded.
  #restore() {
    const kept = drafts.get(this.#place);
    if (!kept || this.#gone || this.#readonly) return;
    this.#show(this.#template, kept.draft, { basedOn: kept.basedOn, scope: kept.scope });
  }

  // Its writer does not want the changes.
  discard() {
    drafts.put(this.#place, null);
  }

  get dirty() {
    return !this.#gone && !this.#readonly && (!same(this.#draft, this.#base) || this.#scope !== (this.#template?.scope ?? "personal"));
  }

  get #readonly() {
    return this.#template !== null && !this.#template.may_change;
  }

  focus() {
    if (this.#template) this.element.querySelector(".wc-back")?.focus();
    else this.#texts.name.focus();
  }

  stop() {
    this.#gone = true;
    this.#preview.stop();
  }

  // --- drawing ----------------------------------------------------------------------------------------------

  /** @type {TextFields} */
  #texts;
  /** @type {VariablesEditor} */
  #variables;
  /** @type {Preview} */
  #preview;
  /** @type {VariablesForm} */
  #form;
  /** @type {HTMLElement} */
  #formSlot;
  /** @type {HTMLElement} */
  #alert;
  /** @type {HTMLButtonElement} */
  #saveButton;
  /** @type {HTMLInputElement} */
  #note;
  /** @type {HTMLElement} */
  #state;
  /** @type {HTMLElement} */
  #banner;
  /** @type {HTMLElement} */
  #panes;

  /** @param {Template | null} template @param {TemplateText} draft @param {Showing} [options] */
  #show(template, draft, { base = template?.content ?? EMPTY, basedOn = template?.version ?? 0, scope = template?.scope ?? "personal", tab = "edit" } = {}) {
    this.#preview?.stop();
    if (this.#draft && this.#template?.id !== template?.id) this.discard(); // saved as another
    this.#template = template;
    this.#draft = draft;
    this.#base = drafted(base);
    this.#basedOn = basedOn;
    this.#scope = scope;
    const changed = () => this.#changed();
    this.#texts = new TextFields(draft, changed, this.#readonly);
    this.#variables = new VariablesEditor(draft, changed, this.#readonly);
    this.#formSlot = h("div", { class: "wc-preview-form" });
    this.#preview = new Preview({
      ask: () => this.#asked(),
      onProblem: (error) => this.#refused(error),
      onText: () => this.#texts.settle(),
    });
    this.#banner = h("div", { class: "wc-banner", role: "alert", hidden: true });
    this.#panes = h("div", { class: "wc-panes" }, this.#editPane(), this.#previewPane());
    this.element.replaceChildren(this.#head(), this.#banner, this.#panes, ...(this.#readonly ? [] : [this.#foot()]));
    if (this.#readonly) this.#readonlyBanner();
    this.#drawForm();
    this.#tab(tab);
    this.#refresh();
    this.#preview.now();
  }

  #head() {
    const back = iconButton("back", t("templates.back"), () => this.#library.back(), { class: "wc-icon-button wc-back" });
    const more = iconButton("more", t("app.more"), () => toggleMenu(more, this.#menu()), { "aria-haspopup": "menu", "aria-expanded": "false" });
    const use = h("button", { type: "button", class: "wc-button", onclick: () => this.#use() }, t("templates.use"));
    const tabs = ["edit", "preview", "versions"].map((tab) =>
      h("button", { type: "button", role: "tab", "data-tab": tab, "aria-selected": "false", hidden: tab === "versions" && !this.#template, onclick: () => this.#tab(tab) }, t(`templates.tab.${tab}`)),
    );
    const list = h("div", { class: "wc-tabs", role: "tablist", "aria-label": t("templates.views") }, tabs);
    list.addEventListener("keydown", (event) => {
      const shown = tabs.filter((tab) => tab.offsetParent);
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) shown.at((shown.findIndex((tab) => tab === document.activeElement) + step) % shown.length)?.focus();
    });
    const name = h("h3", { class: "wc-template-name wc-one-line", dir: "auto" }, this.#template?.content.name ?? t("templates.new_title"));
    const tags = this.#template ? h("span", { class: "wc-tags" }, h("span", { class: "wc-tag" }, t("templates.version", { number: this.#template.version })), marks(this.#template)) : null;
    return h("div", { class: "wc-template-head" }, back, h("div", { class: "wc-template-title" }, name, tags), list, this.#template ? [use, more] : null);
  }

  #editPane() {
    const sampling = h("details", { class: "wc-more-settings", open: Object.keys(this.#draft.sampling).length > 0 || Boolean(this.#draft.model) }, h("summary", {}, t("templates.sampling_and_model")), samplingFields(this.#draft, () => this.#changed(), this.#readonly));
    return h(
      "div",
      { class: "wc-pane wc-pane-edit", role: "tabpanel", "aria-label": t("templates.tab.edit") },
      this.#texts.element,
      h("h4", {}, t("templates.variables")),
      h("p", { class: "wc-quiet" }, t("templates.variables_hint")),
      this.#variables.element,
      sampling,
    );
  }

  #previewPane() {
    return h("div", { class: "wc-pane wc-pane-preview", role: "tabpanel", "aria-label": t("templates.tab.preview") }, this.#preview.element, this.#formSlot);
  }

  #foot() {
    this.#note = h("input", { class: "wc-input wc-save-note", type: "text", maxlength: "200", dir: "auto", placeholder: t("templates.note"), "aria-label": t("templates.note"), autocomplete: "off" });
    this.#note.addEventListener("keydown", (event) => event.key === "Enter" && !event.isComposing && this.save());
    this.#state = h("span", { class: "wc-quiet wc-save-state", role: "status" });
    this.#saveButton = h("button", { type: "button", class: "wc-button wc-primary", onclick: () => this.save() }, t("app.save"));
    this.#alert = h("p", { class: "wc-danger wc-save-alert", role: "alert", hidden: true });
    return h("div", { class: "wc-sheet-foot wc-template-foot" }, this.#alert, this.#library.operates ? this.#scopeSwitch() : null, this.#note, this.#state, this.#saveButton);
  }

  #scopeSwitch() {
    const control = h("select", { class: "wc-input wc-scope", "aria-label": t("templates.scope") }, ["personal", "shared"].map((scope) => h("option", { value: scope, selected: scope === this.#scope }, t(`templates.scope.${scope}`))));
    control.addEventListener("change", () => {
      this.#scope = /** @type {Template["scope"]} */ (control.value);
      this.#refresh();
    });
    return control;
  }

  #readonlyBanner() {
    const words = t(this.#template && isStarter(this.#template) ? "templates.readonly_starter" : "templates.readonly_shared");
    this.#say(words, [[t("templates.duplicate"), () => this.#duplicate(), true]]);
    this.#banner.removeAttribute("role");
  }

  /** @param {string} words @param {[label: string, onclick: () => unknown, main?: boolean][]} actions */
  #say(words, actions) {
    this.#banner.replaceChildren(h("span", {}, words), h("span", { class: "wc-banner-actions" }, actions.map(([label, onclick, main]) => h("button", { type: "button", class: main ? "wc-button wc-primary" : "wc-button", onclick }, label))));
    this.#banner.hidden = false;
  }

  #drawForm() {
    const variables = this.#draft.variables.filter(({ name }) => name);
    if (this.#form) this.#values = { ...this.#values, ...this.#form.values };
    this.#form = new VariablesForm(outgoing({ ...this.#draft, variables }).variables, this.#values, () => this.#preview.later());
    this.#formSlot.replaceChildren(...(variables.length ? [h("h4", {}, t("templates.try")), this.#form.element] : []));
  }

  /** @param {string} tab */
  async #tab(tab) {
    this.element.dataset.tab = tab;
    for (const button of this.element.querySelectorAll('[role="tab"]')) {
      const chosen = button.dataset.tab === tab;
      button.setAttribute("aria-selected", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
    this.#panes.querySelector(".wc-versions-pane")?.remove();
    if (tab !== "versions" || !this.#template) return;
    const asked = (this.#versionsAsked = {});
    const pane = await versionsPane(this.#template, outgoing(this.#draft), this.#readonly ? null : (version) => this.#goBack(version));
    // A save may have drawn this tab again meanwhile: only the newest pane knows what may be gone back to.
    if (asked === this.#versionsAsked && this.element.dataset.tab === "versions") this.#panes.append(pane);
  }

  // --- what happens -----------------------------------------------------------------------------------------

  #shape = "";

  #changed() {
    const shape = JSON.stringify(this.#draft.variables);
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.#drawForm();
    }
    this.#variables.find();
    if (this.#alert) this.#alert.hidden = true;
    this.#refresh();
    this.#preview.later();
  }

  #refresh() {
    if (!this.#saveButton || this.#readonly) return;
    const { dirty } = this;
    if (!this.#gone) drafts.put(this.#place, dirty ? { draft: this.#draft, scope: this.#scope, basedOn: this.#basedOn } : null);
    this.#saveButton.disabled = this.#busy || (!dirty && this.#template !== null);
    this.#note.hidden = this.#template === null;
    this.#state.textContent = dirty ? t("templates.unsaved") : "";
  }

  #asked() {
    const content = outgoing(this.#draft);
    if (!content.system.trim() && !content.user.trim()) return null;
    return { content: { ...content, name: content.name || "-" }, values: this.#form.previewValues };
  }

  /** @param {Failure} error @param {{ focus?: boolean }} [options] */
  #refused(error, { focus = false } = {}) {
    const { line, where, field } = error.params ?? {};
    if (error.code === "template_broken") this.#texts.problem(where, line, problemText(error), { focus });
    else if (error.code === "template_values") this.#form.problem(field, problemText(error));
  }

  async save() {
    if (this.#busy || this.#readonly) return;
    const content = outgoing(this.#draft);
    if (!content.name || !(content.system.trim() || content.user.trim())) {
      this.#tab("edit");
      setProblem(this.#texts.name, content.name ? "" : t("templates.name_missing"));
      setProblem(this.#texts.user, content.system.trim() || content.user.trim() ? "" : t("templates.text_missing"));
      (content.name ? this.#texts.user : this.#texts.name).focus();
      return;
    }
    const note = this.#note.value.trim();
    await this.#attempt(async () => {
      const saved = this.#template
        ? await verbs.save(this.#template.id, { content, scope: this.#scope, based_on: this.#basedOn, ...(note ? { note } : {}) })
        : await verbs.create(this.#scope, content, note);
      this.#show(saved, drafted(saved.content), { tab: this.element.dataset.tab });
      toast(t("templates.saved", { number: saved.version }));
    });
  }

  /** @param {() => Promise<void>} work */
  async #attempt(work) {
    this.#busy = true;
    this.#panes.inert = true; // what is written meanwhile would be drawn over
    this.#alert.hidden = true;
    this.#refresh();
    try {
      await work();
    } catch (error) {
      if (!error.code) throw error;
      this.#panes.inert = false;
      if (error.code === "template_changed") await this.#conflict(error);
      else {
        this.#refused(error, { focus: true });
        this.#alert.textContent = problemText(error);
        this.#alert.hidden = false;
      }
    } finally {
      this.#busy = false;
      this.#panes.inert = false;
      this.#refresh();
    }
  }

  // Somebody else saved meanwhile: theirs is fetched, and what is written here stays until one of the two is chosen.
  /** @param {Failure} error */
  async #conflict(error) {
    /** @type {Template} */
    let theirs;
    try {
      theirs = await verbs.get(this.#id);
    } catch {
      return toast(errorLine(error), { kind: "error" });
    }
    const mine = this.#draft;
    const load = () => {
      this.#show(theirs, drafted(theirs.content));
      toast(t("templates.theirs_loaded", { number: theirs.version }), {
        action: { label: t("templates.back_to_mine"), onclick: () => this.#show(theirs, mine) },
        seconds: 60,
      });
    };
    this.#say(t("templates.changed_meanwhile", { number: theirs.version }), [
      [t("templates.load_theirs"), load],
      [t("templates.save_copy"), () => this.#saveCopy(mine), true],
    ]);
    this.#banner.scrollIntoView({ block: "nearest" });
    this.#banner.querySelector("button")?.focus();
  }

  /** @param {TemplateText} mine */
  #saveCopy(mine) {
    const content = outgoing(mine);
    const name = t("templates.copy_of", { name: content.name }).slice(0, 100);
    return this.#attempt(async () => {
      const made = await verbs.create("personal", { ...content, name });
      this.#show(made, drafted(made.content));
      toast(t("templates.saved", { number: made.version }));
    });
  }

  /** @param {TemplateVersion} version */
  #goBack({ number, content }) {
    return this.#attempt(async () => {
      const body = { content, based_on: this.#basedOn, note: t("templates.went_back", { number }) };
      const saved = await verbs.save(this.#id, body);
      const before = this.#draft;
      const lost = this.dirty;
      this.#show(saved, drafted(saved.content));
      toast(t("templates.went_back_done", { number }), lost ? { action: { label: t("app.undo"), onclick: () => this.#show(saved, before) } } : {});
    });
  }

  /** @returns {MenuItem[]} */
  #menu() {
    const file = (/** @type {string} */ format) => () => download(verbs.exportPath(this.#id), format);
    /** @type {MenuItem[]} */
    const items = [
      { label: t("templates.duplicate"), icon: "template", onclick: () => this.#duplicate() },
      { label: t("templates.export_yaml"), icon: "download", onclick: file("yaml") },
      { label: t("templates.export_json"), icon: "download", onclick: file("json") },
    ];
    if (!this.#readonly) items.push("-", { label: t("templates.delete"), icon: "trash", danger: true, onclick: () => this.#remove() });
    return items;
  }

  #duplicate() {
    return this.#library.leaving(async () => {
      const made = await this.#library.openLater(verbs.duplicate(this.#id));
      toast(t("templates.duplicated", { name: made.content.name }));
    });
  }

  #remove() {
    return this.#library.leaving(async () => {
      const id = this.#id;
      const { name } = this.#base;
      await verbs.remove(id);
      this.discard();
      this.#gone = true;
      await this.#library.back();
      const undo = () => this.#library.openLater(verbs.restore(id));
      toast(t("templates.deleted", { name }), { action: { label: t("app.undo"), onclick: undo } });
    });
  }

  #use() {
    const template = this.#template;
    this.#library.leaving(() => {
      this.#library.close();
      if (template) useTemplate(template);
    });
  }
}
