// The variables of a template as one edits them: a card for each, in the order of the form.

import { h, iconButton } from "../dom.js";
import { t } from "../i18n.js";
import { field, setProblem } from "../sheet.js";
import { controlOf, readOf } from "./form.js";

/** @import { Attributes } from "../dom.js" */
/** @import { TemplateText, TemplateVariable } from "../types.js" */

const TYPES = ["text", "long_text", "number", "choice", "date", "yes_no"];
const NAME = /^\p{L}[\p{L}\p{N}_]{0,63}$/u;
const NAMED = /\{\{-?\s*(\p{L}[\p{L}\p{N}_]*)/gu;

/** @param {HTMLElement} row */
const wide = (row) => (row.classList.add("wc-wide"), row);

/** @param {string} name @returns {TemplateVariable} */
export const blank = (name) => ({ name, label: "", type: "text", default: null, required: false, choices: [], hint: "" });

// draft: the content that is edited; its `variables` are changed in place. onChange(): they were.
export class VariablesEditor {
  #draft;
  #onChange;
  #readonly;
  #cards = h("div", { class: "wc-cards" });
  #found = h("div", { class: "wc-found-names" });

  /** @param {TemplateText} draft @param {() => void} onChange @param {boolean} readonly */
  constructor(draft, onChange, readonly) {
    this.#draft = draft;
    this.#onChange = onChange;
    this.#readonly = readonly;
    const add = h("button", { type: "button", class: "wc-button", onclick: () => this.#add(this.#freeName()) }, t("templates.add_variable"));
    this.element = h("div", {}, this.#found, this.#cards, readonly ? null : h("div", { class: "wc-card-add" }, add));
    this.#draw();
  }

  // The texts have changed: which names in them are no variables yet?
  find() {
    if (this.#readonly) return;
    const { system, user, variables } = this.#draft;
    const known = new Set(variables.map(({ name }) => name));
    const names = new Set([...`${system}\n${user}`.matchAll(NAMED)].map(([, name]) => name).filter((name) => !known.has(name)));
    const buttons = [...names].slice(0, 12).map((name) => h("button", { type: "button", class: "wc-name-chip", onclick: () => this.#add(name) }, `+ ${name}`));
    this.#found.replaceChildren(...(buttons.length ? [h("span", { class: "wc-quiet" }, t("templates.found_names")), ...buttons] : []));
  }

  #freeName() {
    const taken = new Set(this.#draft.variables.map(({ name }) => name));
    let number = taken.size + 1;
    while (taken.has(`value_${number}`)) number += 1;
    return `value_${number}`;
  }

  /** @param {string} name */
  #add(name) {
    this.#draft.variables.push(blank(name));
    this.#changed();
    this.#cards.lastElementChild?.querySelector("input")?.select();
  }

  /** @param {number} at @param {number} by */
  #move(at, by) {
    const { variables } = this.#draft;
    const [moved] = variables.splice(at, 1);
    variables.splice(at + by, 0, moved);
    this.#changed();
    const card = this.#cards.children[at + by];
    const button = card.querySelector(`[data-move="${by}"]:enabled`) ?? card.querySelector("[data-move]:enabled");
    button?.focus();
  }

  /** @param {number} at */
  #remove(at) {
    this.#draft.variables.splice(at, 1);
    this.#changed();
    (this.#cards.children[Math.max(0, at - 1)]?.querySelector("input") ?? this.element.querySelector(".wc-card-add button"))?.focus();
  }

  #changed() {
    this.#draw();
    this.#onChange();
  }

  #draw() {
    const { variables } = this.#draft;
    this.#cards.replaceChildren(
      ...(variables.length ? variables.map((variable, at) => this.#card(variable, at)) : [h("p", { class: "wc-quiet" }, t("templates.no_variables"))]),
    );
    this.find();
  }

  /** @param {TemplateVariable} variable @param {number} at */
  #card(variable, at) {
    const { variables } = this.#draft;
    /** @param {"name" | "label" | "hint"} key @param {Attributes} [attributes] */
    const input = (key, attributes = {}) => {
      const control = h("input", { type: "text", value: variable[key], autocomplete: "off", ...attributes, "data-key": key });
      control.addEventListener("input", () => ((variable[key] = control.value), this.#onChange()));
      return control;
    };
    const name = input("name", { class: "wc-mono", spellcheck: "false", maxlength: "64" });
    name.addEventListener("input", () => {
      const twice = variables.some((other) => other !== variable && other.name === variable.name);
      setProblem(name, twice ? t("templates.name_twice") : NAME.test(variable.name) ? "" : t("templates.name_wrong"));
      this.find();
    });
    const type = h("select", {}, TYPES.map((value) => h("option", { value, selected: value === variable.type }, t(`templates.type.${value}`))));
    type.addEventListener("change", () => {
      Object.assign(variable, { type: type.value, default: null });
      if (type.value === "choice" && !variable.choices.length) variable.choices = [t("templates.choice_first"), t("templates.choice_second")];
      if (type.value !== "choice") variable.choices = [];
      this.#changed();
      this.#cards.children[at].querySelector("select")?.focus();
    });
    const label = t("templates.variable_named", { name: variable.name });
    const card = h(
      "fieldset",
      { class: "wc-card", "aria-label": label, disabled: this.#readonly },
      h(
        "div",
        { class: "wc-card-grid" },
        field(t("templates.variable_name"), name),
        field(t("templates.variable_type"), type),
        field(t("templates.variable_label"), input("label", { placeholder: variable.name, maxlength: "100" })),
        this.#defaultField(variable),
        variable.type === "choice" ? wide(this.#choices(variable)) : null,
        wide(field(t("templates.variable_hint"), input("hint", { maxlength: "500" }))),
      ),
      h("div", { class: "wc-card-foot" }, this.#required(variable), this.#readonly ? null : this.#buttons(at, variable)),
    );
    return card;
  }

  /** @param {TemplateVariable} variable */
  #defaultField(variable) {
    const control = controlOf({ ...variable, required: false }, variable.default);
    if (control instanceof HTMLTextAreaElement) control.rows = 2;
    control.addEventListener("input", () => {
      const value = readOf(variable, control);
      variable.default = value === "" ? null : value;
      this.#onChange();
    });
    const row = field(t("templates.variable_default"), control);
    if (variable.type === "yes_no") row.classList.add("wc-check-row");
    return row;
  }

  /** @param {TemplateVariable} variable */
  #choices(variable) {
    const control = Object.assign(h("textarea", { rows: "3", dir: "auto" }), { value: variable.choices.join("\n") });
    control.addEventListener("input", () => {
      variable.choices = control.value.split("\n").map((line) => line.trim()).filter((line, at, all) => line && all.indexOf(line) === at);
      if (!variable.choices.includes(String(variable.default))) variable.default = null;
      this.#onChange();
    });
    control.addEventListener("change", () => this.#draw());
    return field(t("templates.variable_choices"), control, t("templates.variable_choices_hint"));
  }

  /** @param {TemplateVariable} variable */
  #required(variable) {
    if (variable.type === "yes_no") return h("span");
    const box = Object.assign(h("input", { type: "checkbox" }), { checked: variable.required });
    box.addEventListener("change", () => ((variable.required = box.checked), this.#onChange()));
    return h("label", { class: "wc-tick" }, box, h("span", {}, t("templates.variable_required")));
  }

  /** @param {number} at @param {TemplateVariable} variable */
  #buttons(at, { name }) {
    const move = (/** @type {number} */ by, /** @type {"up" | "down"} */ glyph, /** @type {string} */ key) =>
      iconButton(glyph, t(key, { name }), () => this.#move(at, by), { "data-move": by, disabled: at + by < 0 || at + by >= this.#draft.variables.length });
    return h("div", { class: "wc-card-buttons" }, move(-1, "up", "templates.move_up"), move(1, "down", "templates.move_down"), iconButton("trash", t("templates.remove_variable", { name }), () => this.#remove(at)));
  }
}
