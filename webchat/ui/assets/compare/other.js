// The form for the other side of a comparison: its model, its persona or system prompt, its sampling.

import { h, iconButton, showDialog } from "../dom.js";
import { samplingFields } from "../drawer.js";
import { errorLine, t } from "../i18n.js";
import { settings } from "../settings.js";
import { field, setProblem } from "../sheet.js";
import { style } from "../style.js";
import { problemText, templates, verbs } from "../templates/data.js";
import { VariablesForm } from "../templates/form.js";

/** @import { Settings, Template } from "../types.js" */
/** @import { Values } from "../templates/form.js" */
/** @import { Other } from "./differing.js" */

const KEPT = "kept";
const WAIT = 250; // ms after the last change

// before: what it was last time. done: called with what was chosen.
/** @param {Other | null} before @param {(other: Other) => void} done */
export function askOther(before, done) {
  new OtherForm(before, done).show();
}

class OtherForm {
  #done;
  /** @type {Settings["persona"]} */
  #persona;
  #model;
  #who = h("select", {}, h("option", { value: KEPT }, t("compare.persona_none")));
  #prompt = h("textarea", { rows: "4", dir: "auto", maxlength: "100000" });
  /** @type {Map<string, HTMLInputElement>} */
  #numbers = new Map();
  #grid = h("div", { class: "wc-compare-grid" });
  // What the chosen template asks for.
  #values = h("div", { hidden: true });
  /** @type {{ template: Template, form: VariablesForm } | null} */
  #filled = null;
  #unmade = false; // whether the prompt is not yet of what is filled in
  #made = 0;
  #timer = 0;
  #filling = Promise.resolve();
  #begun;

  /** @param {Other | null} before @param {(other: Other) => void} done */
  constructor(before, done) {
    this.#done = done;
    this.#begun = before?.changes ?? settings.current;
    this.#persona = this.#begun.persona;
    this.#prompt.value = this.#begun.system_prompt ?? "";
    const models = settings.models.filter(({ unlisted }) => !unlisted);
    this.#model = h("select", { onchange: () => this.#drawNumbers() }, models.map(({ key, name }) => h("option", { value: key }, name)));
    this.#model.value = before?.model ?? settings.model ?? "";
    if (!this.#model.value && models[0]) this.#model.value = models[0].key;
    this.#who.addEventListener("change", () => this.#choose());
    this.#prompt.addEventListener("input", () => {
      this.#own();
      this.#who.value = KEPT;
    });
  }

  show() {
    const form = h(
      "form",
      { class: "wc-compare-other", novalidate: true },
      h("p", { class: "wc-muted" }, t("compare.other_about")),
      field(t("compare.model"), this.#model),
      field(t("compare.persona"), this.#who),
      this.#values,
      field(t("drawer.system_prompt"), this.#prompt, t("drawer.system_prompt_hint")),
      this.#grid,
      h("div", { class: "wc-sheet-foot" }, h("button", { type: "button", class: "wc-button", onclick: () => dialog.close() }, t("app.cancel")), h("button", { type: "submit", class: "wc-button wc-primary" }, t("compare.other_use"))),
    );
    const head = h("div", { class: "wc-dialog-head" }, h("h2", {}, t("compare.other_title")), iconButton("close", t("app.close"), () => dialog.close()));
    const dialog = showDialog("wc-compare-dialog", t("compare.other_title"), head, form);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!(await this.#settle()) || !dialog.open) return;
      const other = this.#read();
      if (!other) return;
      dialog.close();
      this.#done(other);
    });
    dialog.addEventListener("close", () => clearTimeout(this.#timer));
    this.#drawNumbers();
    void style("templates");
    void this.#listPersonas();
  }

  async #listPersonas() {
    try {
      const found = (await templates()).filter(({ has_system }) => has_system);
      this.#who.append(...found.map(({ id, content }) => h("option", { value: id }, content.name)));
    } catch (error) {
      setProblem(this.#who, errorLine(error));
    }
    this.#who.value = this.#persona?.id ?? KEPT;
    if (!this.#who.value) this.#who.value = KEPT; // it was deleted
    if (this.#who.value !== KEPT) await (this.#filling = this.#fill(this.#persona?.values ?? {}, false));
  }

  #choose() {
    this.#own();
    if (this.#who.value !== KEPT) this.#filling = this.#fill({}, true);
  }

  // The fields of the chosen template, and its text. make: not as the prompt has it already.
  /** @param {Values} values @param {boolean} make */
  async #fill(values, make) {
    const id = this.#who.value;
    try {
      const template = await verbs.get(id);
      if (this.#who.value !== id) return;
      const { variables } = template.content;
      const form = new VariablesForm(variables, values, () => this.#changed());
      this.#filled = { template, form };
      this.#values.replaceChildren(form.element);
      this.#values.hidden = !variables.length;
      this.#unmade = make;
      if (make) await this.#make(false);
    } catch (error) {
      setProblem(this.#who, problemText(error));
    }
  }

  #changed() {
    this.#unmade = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#make(false), WAIT);
  }

  // Whether the prompt is of what is filled in; if not, the field says why.
  async #settle() {
    await this.#filling;
    if (!this.#filled) return this.#who.value === KEPT || this.#persona !== null;
    if (!this.#unmade) return true;
    return this.#filled.form.check() && (await this.#make(true));
  }

  /** @param {boolean} always also say what is wrong at a field nobody has been in yet @returns {Promise<boolean>} whether it was made */
  async #make(always) {
    clearTimeout(this.#timer);
    if (!this.#filled) return false;
    const at = ++this.#made;
    const { template: { id, version, content }, form } = this.#filled;
    const { values } = form;
    try {
      const { system } = await verbs.render({ id, version, values });
      if (at !== this.#made) return false;
      this.#persona = { id, version, name: content.name, values };
      this.#prompt.value = system;
      this.#unmade = false;
      form.settle();
      setProblem(this.#who, "");
      return true;
    } catch (error) {
      if (at !== this.#made) return false;
      if (error.code !== "template_values" || !form.problem(error.params?.field, problemText(error), { always })) setProblem(this.#who, problemText(error));
      return false;
    }
  }

  // Written by hand, or to be chosen anew: no longer the persona's text.
  #own() {
    clearTimeout(this.#timer);
    this.#made++;
    this.#persona = this.#filled = null;
    this.#unmade = false;
    this.#values.replaceChildren();
    this.#values.hidden = true;
    setProblem(this.#who, "");
  }

  // What the chosen model takes.
  #drawNumbers() {
    const takes = new Set(settings.find(this.#model.value)?.takes ?? []);
    const known = this.#numbers;
    this.#numbers = new Map();
    const rows = samplingFields()
      .filter(({ name }) => takes.has(name))
      .map(({ name, min, max, whole }) => {
        const value = known.get(name)?.value ?? this.#begun.sampling[name] ?? "";
        const box = h("input", { type: "number", min, max, step: whole ? 1 : "any", value, placeholder: t("sampling.default") });
        this.#numbers.set(name, box);
        return field(t(`sampling.${name}`), box);
      });
    this.#grid.replaceChildren(...rows);
  }

  /** @returns {Other | null} */
  #read() {
    const model = this.#model.value;
    const bad = [...this.#numbers.values()].find((box) => !box.checkValidity());
    for (const box of this.#numbers.values()) setProblem(box, box === bad ? t("drawer.invalid", { min: Number(box.min), max: Number(box.max) }) : "");
    if (bad) {
      bad.focus();
      return null;
    }
    const numbers = [...this.#numbers].filter(([, box]) => box.value !== "").map(([name, box]) => [name, Number(box.value)]);
    const others = Object.entries(this.#begun.sampling).filter(([name]) => !this.#numbers.has(name));
    const sampling = Object.fromEntries([...others, ...numbers].sort());
    const prompt = this.#prompt.value.trim() ? this.#prompt.value : null;
    const inputs = model === settings.model ? settings.current.inputs : undefined;
    /** @type {Settings} */
    const changes = { model, system_prompt: prompt, sampling, persona: prompt ? this.#persona : null, ...(inputs && { inputs }) };
    if (model === settings.model && !settings.differ({ system_prompt: prompt, sampling, persona: changes.persona })) {
      setProblem(this.#model, t("compare.same"));
      this.#model.focus();
      return null;
    }
    return { model, changes };
  }
}
