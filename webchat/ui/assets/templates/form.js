// A template's variables as controls: the right one for each type, its default filled in, its problem beside it.

import { h } from "../dom.js";
import { t } from "../i18n.js";
import { field, setProblem } from "../sheet.js";

/** @import { TemplateVariable } from "../types.js" */
/** @typedef {Record<string, Value>} Values */
/** @typedef {TemplateVariable["default"]} Value */
/** @typedef {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} Control */

/** @type {Record<string, Value>} */
const EMPTY = { text: "", long_text: "", number: null, choice: null, date: null, yes_no: false };

// values: by name, before the defaults. onChange(): something was typed.
export class VariablesForm {
  /** @type {Map<string, { variable: TemplateVariable, control: Control }>} */
  #fields = new Map();
  /** @type {Set<string>} */
  #touched = new Set();

  /** @param {TemplateVariable[]} variables @param {Values} [values] @param {() => void} [onChange] */
  constructor(variables, values = {}, onChange = () => {}) {
    const rows = variables.map((variable) => {
      const value = values[variable.name] ?? variable.default ?? EMPTY[variable.type];
      const control = controlOf(variable, value);
      const known = { variable, control };
      this.#fields.set(variable.name, known);
      control.addEventListener("input", () => {
        this.#touched.add(variable.name);
        setProblem(control, "");
        onChange();
      });
      control.addEventListener("blur", () => this.#touched.add(variable.name));
      return variable.type === "yes_no" ? checkRow(variable, control) : field(labelOf(variable), control, variable.hint);
    });
    this.element = h("div", { class: "wc-variables" }, rows);
  }

  // What the server is asked with: what is left empty is left to its rules.
  /** @returns {Values} */
  get values() {
    return Object.fromEntries([...this.#fields].map(([name, { variable, control }]) => [name, readOf(variable, control)]));
  }

  // The same with the labels in place of required words that are still to come, for a preview.
  get previewValues() {
    /** @param {[string, Value]} entry @returns {[string, Value]} */
    const filled = ([name, value]) => {
      const variable = this.#fields.get(name)?.variable;
      const words = variable?.type === "text" || variable?.type === "long_text";
      return [name, words && variable.required && !value ? `[${variable.label || name}]` : value];
    };
    return Object.fromEntries(Object.entries(this.values).map(filled));
  }

  // Marks what is required and empty, or no value of its type; true when nothing is.
  check() {
    /** @type {Control | null} */
    let first = null;
    for (const { variable, control } of this.#fields.values()) {
      const problem = problemOf(variable, control);
      setProblem(control, problem);
      if (problem) first ??= control;
    }
    first?.focus();
    return first === null;
  }

  // Shows a problem the server found. always: also at a field nobody has been in yet.
  /** @param {string} name @param {string} words @param {{ always?: boolean }} [options] */
  problem(name, words, { always = false } = {}) {
    const known = this.#fields.get(name);
    if (!known) return false;
    if (always || this.#touched.has(name)) setProblem(known.control, words);
    return true;
  }

  settle() {
    for (const { control } of this.#fields.values()) setProblem(control, "");
  }

  /** @param {string} name */
  label(name) {
    const variable = this.#fields.get(name)?.variable;
    return variable ? variable.label || variable.name : name;
  }

  focus() {
    this.element.querySelector("input, select, textarea")?.focus();
  }
}

/** @param {TemplateVariable} variable */
function labelOf({ name, label, required, type }) {
  const words = h("span", { dir: "auto" }, label || name);
  if (required && type !== "yes_no") words.append(h("span", { class: "wc-required" }, ` ${t("templates.required")}`));
  return words;
}

/** @param {TemplateVariable} variable @param {Control} control */
function checkRow(variable, control) {
  const row = field(labelOf(variable), control, variable.hint);
  row.classList.add("wc-check-row");
  return row;
}

/** @param {TemplateVariable} variable @param {Value} value @returns {Control} */
function controlOf(variable, value) {
  const needed = { "aria-required": variable.required && variable.type !== "yes_no" ? "true" : undefined, "data-variable": variable.name };
  switch (variable.type) {
    case "long_text":
      return Object.assign(h("textarea", { rows: "5", dir: "auto", maxlength: "20000", ...needed }), { value: String(value ?? "") });
    case "number":
      return h("input", { type: "number", step: "any", inputmode: "decimal", value, ...needed });
    case "date":
      return h("input", { type: "date", value, ...needed });
    case "yes_no":
      return Object.assign(h("input", { type: "checkbox", ...needed }), { checked: Boolean(value) });
    case "choice": {
      const nothing = h("option", { value: "" }, t(variable.required ? "templates.choose" : "templates.nothing"));
      const choices = variable.choices.map((choice) => h("option", { value: choice }, choice));
      const control = h("select", needed, variable.required && value ? null : nothing, choices);
      control.value = String(value ?? "");
      return control;
    }
    default:
      return h("input", { type: "text", dir: "auto", maxlength: "20000", value, autocomplete: "off", ...needed });
  }
}

/** @param {Pick<TemplateVariable, "type">} variable @param {Control} control @returns {Value} */
function readOf({ type }, control) {
  if (type === "yes_no") return control instanceof HTMLInputElement && control.checked;
  if (type === "number") return control.value === "" ? null : Number(control.value);
  if (type === "choice" || type === "date") return control.value || null;
  return control.value;
}

/** @param {TemplateVariable} variable @param {Control} control */
function problemOf(variable, control) {
  if (control.validity.badInput) return t(variable.type === "date" ? "templates.bad_date" : "templates.bad_number");
  const value = readOf(variable, control);
  const empty = value === null || (typeof value === "string" && !value.trim());
  return variable.required && empty ? t("templates.value.missing") : "";
}

// A default of its type, or null: what the editor of a variable holds.
export { controlOf, readOf };
