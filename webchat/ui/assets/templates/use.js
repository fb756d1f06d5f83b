// A template is used: its form is filled in, and its words go into the composer or say whom the model plays.

import { composer } from "../composer.js";
import { h, iconButton, showDialog } from "../dom.js";
import { drafts } from "../drafts.js";
import { errorLine, t } from "../i18n.js";
import { settings } from "../settings.js";
import { style } from "../style.js";
import { toast } from "../toast.js";
import { problemText, verbs } from "./data.js";
import { VariablesForm } from "./form.js";
import { glyph } from "./marks.js";
import { Preview } from "./preview.js";

/** @import { Failure, ListedTemplate, Template } from "../types.js" */
/** @import { Values } from "./form.js" */
/** @typedef {{ play: boolean, insert: boolean }} Deed */

// The values by name: a form closed by mistake, or with its page, gives them back.
/** @param {{ id: string }} template */
const placeOf = ({ id }) => `variables:${id}`;

// values: what the fields begin with. persona: it is there to be played, the message is left alone. chat: it was chosen for
// this one, and is not for another that was opened meanwhile.
/** @param {Template} template @param {{ values?: Values, persona?: boolean, chat?: typeof settings.chat }} [options] */
export async function useTemplate(template, { values, persona = false, chat = settings.chat } = {}) {
  if (chat !== settings.chat) return;
  const { has_system: system, has_user: user } = template;
  const simple = !template.content.variables.length && !(system && user) && !persona;
  if (!simple) {
    await drafts.adopt([placeOf(template)]);
    if (chat !== settings.chat) return;
    return void new UseDialog(template, values, persona).show();
  }
  try {
    await apply(template, {}, { play: system, insert: user });
  } catch (error) {
    toast(errorLine(error), { kind: "error" });
  }
}

// The same of one as a list has it, without its texts.
/** @param {ListedTemplate} template */
export async function useListed({ id }) {
  const { chat } = settings;
  try {
    await useTemplate(await verbs.get(id), { chat });
  } catch (error) {
    toast(errorLine(error), { kind: "error" });
  }
}

// Renders, then inserts the user text and sets the persona, as asked. Raises ApiError when the values are refused.
/** @param {Template} template @param {Values} values @param {Deed} deed */
async function apply(template, values, { play, insert }) {
  const { id, version, content } = template;
  const { chat } = settings;
  const made = await verbs.render({ id, version, values });
  if (chat !== settings.chat) return false;
  if (play && !(await becomes(template, values, made.system))) return false;
  if (insert) composer.insert(made.user, { id, version, name: content.name });
  return true;
}

/** @param {Template} template @param {Values} values @param {string} system */
async function becomes({ id, version, content }, values, system) {
  const onclick = settings.undo();
  const { name } = content;
  const changes = { persona: { id, version, name, values }, system_prompt: system, sampling: { ...settings.current.sampling, ...content.sampling } };
  if (!(await settings.update(changes))) return false;
  toast(t("templates.persona_set", { name }), { action: { label: t("app.undo"), onclick } });
  return true;
}

class UseDialog {
  #template;
  #form;
  #preview;
  /** @type {(Deed & { label: string })[]} what its buttons do; Enter does the last */
  #deeds;
  #buttons;
  /** @type {HTMLDialogElement | null} */
  #dialog = null;
  #alert = h("p", { class: "wc-danger wc-use-alert", role: "alert", hidden: true });

  /** @param {Template} template @param {Values | undefined} values @param {boolean} persona */
  constructor(template, values, persona) {
    this.#template = template;
    const { content, id, version } = template;
    this.#form = new VariablesForm(content.variables, values ?? drafts.get(placeOf(template)) ?? {}, () => {
      drafts.put(placeOf(template), this.#form.values);
      this.#alert.hidden = true;
      this.#preview.later();
    });
    const { has_system: system, has_user: user } = template;
    this.#deeds = [];
    if (user && !persona) this.#deeds.push({ label: "templates.insert", play: false, insert: true });
    if (system) this.#deeds.push({ label: persona ? "templates.persona_update" : "templates.persona_use", play: true, insert: user && !persona });
    this.#buttons = this.#deeds.map(this.#button);
    this.#preview = new Preview({ ask: () => ({ id, version, values: this.#form.previewValues }), onProblem: (error) => this.#refused(error, false) });
  }

  async show() {
    await style("templates");
    const { content } = this.#template;
    const fields = content.variables.length > 0;
    const form = h(
      "form",
      { class: fields ? "wc-use-form" : "wc-use-form wc-use-plain", novalidate: true },
      h("div", { class: "wc-use-body" }, fields ? this.#form.element : null, h("div", { class: "wc-use-preview" }, h("h3", { class: "wc-visually-hidden" }, t("templates.preview")), this.#preview.element)),
      this.#alert,
      h("div", { class: "wc-sheet-foot wc-use-foot" }, this.#modelHint(), this.#buttons),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(this.#deeds[this.#deeds.length - 1]);
    });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    const dialog = showDialog(
      "wc-use",
      content.name,
      h("div", { class: "wc-dialog-head" }, glyph(this.#template), h("h2", { dir: "auto" }, content.name), iconButton("close", t("app.close"), () => dialog.close())),
      content.description ? h("p", { class: "wc-use-about", dir: "auto" }, content.description) : null,
      form,
    );
    dialog.addEventListener("close", () => this.#preview.stop());
    this.#dialog = dialog;
    if (fields) this.#form.focus();
    else this.#buttons.at(-1)?.focus();
    this.#preview.now();
  }

  #button = (/** @type {Deed & { label: string }} */ deed) => {
    const main = deed === this.#deeds.at(-1);
    const button = h("button", { type: main ? "submit" : "button", class: main ? "wc-button wc-primary" : "wc-button" }, t(deed.label));
    if (!main) button.addEventListener("click", () => this.#submit(deed));
    return button;
  };

  /** @param {Deed} deed */
  async #submit(deed) {
    if (!this.#form.check()) return;
    this.#buttons.forEach((each) => (each.disabled = true));
    try {
      const done = await apply(this.#template, this.#form.values, deed);
      if (!done) return;
      drafts.put(placeOf(this.#template), null);
      this.#dialog?.close();
      if (deed.insert) composer.focus();
    } catch (error) {
      this.#refused(error, true);
    } finally {
      this.#buttons.forEach((each) => (each.disabled = false));
    }
  }

  /** @param {Failure} error @param {boolean} always */
  #refused(error, always) {
    const atField = error.code === "template_values" && this.#form.problem(error.params?.field, problemText(error), { always });
    this.#alert.hidden = atField || !always;
    this.#alert.textContent = problemText(error);
  }

  // The template was written with a model in mind that is here, but not chosen.
  #modelHint() {
    const { model } = this.#template.content;
    if (!model || model === settings.info?.name || !settings.models.some(({ name }) => name === model)) return null;
    const line = h(
      "p",
      { class: "wc-quiet" },
      t("templates.made_for", { model }),
      " ",
      h("button", { type: "button", class: "wc-link", onclick: () => (settings.choose(model), line.remove()) }, t("templates.switch_model")),
    );
    return line;
  }
}
