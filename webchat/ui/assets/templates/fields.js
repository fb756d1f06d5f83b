// The part of the editor above the variables and below them: the texts, and what the model is to be asked with.

import { h } from "../dom.js";
import { t } from "../i18n.js";
import { field, setProblem } from "../sheet.js";
import { settings } from "../settings.js";

/** @import { TemplateText } from "../types.js" */
/** @import { Attributes } from "../dom.js" */
/** @typedef {HTMLInputElement | HTMLTextAreaElement} Box */

/** @typedef {"temperature" | "top_p" | "top_k" | "min_p" | "repetition_penalty" | "max_tokens" | "seed"} Numeric */

// As the drawer has them: name, least, most, step.
/** @type {[Numeric, number, number, number][]} */
const NUMBERS = [
  ["temperature", 0, 2, 0.1], ["top_p", 0, 1, 0.05], ["top_k", 1, 1000, 1], ["min_p", 0, 1, 0.01],
  ["repetition_penalty", 0.1, 10, 0.05], ["max_tokens", 1, 1_000_000, 1], ["seed", 0, Number.MAX_SAFE_INTEGER, 1],
];

export class TextFields {
  /** @param {TemplateText} draft @param {() => void} onChange @param {boolean} disabled */
  constructor(draft, onChange, disabled) {
    /** @template {Box} Written @param {Written} control @param {"name" | "description" | "system" | "user"} key */
    const write = (control, key) => {
      control.value = draft[key];
      control.disabled = disabled;
      control.addEventListener("input", () => {
        draft[key] = control.value;
        setProblem(control, "");
        onChange();
      });
      return control;
    };
    const area = (/** @type {string} */ rows, /** @type {Attributes} */ attributes) => h("textarea", { rows, dir: "auto", maxlength: "20000", ...attributes });
    this.name = write(h("input", { type: "text", maxlength: "100", dir: "auto", autocomplete: "off" }), "name");
    this.description = write(h("input", { type: "text", maxlength: "500", dir: "auto", autocomplete: "off" }), "description");
    this.system = write(area("6", { class: "wc-mono" }), "system");
    this.user = write(area("6", { class: "wc-mono" }), "user");
    this.element = h(
      "div",
      { class: "wc-stack" },
      field(t("templates.name"), this.name),
      field(t("templates.description"), this.description, t("templates.description_hint")),
      field(t("templates.system"), this.system, t("templates.system_hint")),
      field(t("templates.user"), this.user, t("templates.user_hint", { open: "{{", close: "}}" })),
    );
  }

  // Says what is wrong with one of the texts, words name the line; focus: the cursor goes there.
  /** @param {string} where @param {number} line @param {string} words @param {{ focus?: boolean }} [options] */
  problem(where, line, words, { focus = false } = {}) {
    const control = where === "user" ? this.user : this.system;
    setProblem(control, words);
    if (!focus || !line) return focus && control.focus();
    const lines = control.value.split("\n");
    const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    control.focus();
    control.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
  }

  settle() {
    for (const control of [this.system, this.user]) setProblem(control, "");
  }
}

/** @param {TemplateText} draft @param {() => void} onChange @param {boolean} disabled */
export function samplingFields(draft, onChange, disabled) {
  const { sampling } = draft;
  const numbers = NUMBERS.map(([name, min, max, step]) => {
    const control = h("input", { type: "number", min, max, step: "any", inputmode: step < 1 ? "decimal" : "numeric", placeholder: t("sampling.default"), value: sampling[name], disabled });
    control.addEventListener("input", () => {
      const value = control.value === "" ? null : Number(control.value);
      const good = !control.validity.badInput && (value === null || (value >= min && value <= max && (step !== 1 || Number.isInteger(value))));
      setProblem(control, good ? "" : t("drawer.invalid", { min, max }));
      if (good && value !== null) sampling[name] = value;
      else delete sampling[name];
      onChange();
    });
    return field(t(`sampling.${name}`), control);
  });
  const stop = Object.assign(h("textarea", { rows: "2", placeholder: t("drawer.stop_empty"), disabled }), { value: (sampling.stop ?? []).join("\n") });
  stop.addEventListener("input", () => {
    const words = stop.value.split("\n").filter((line) => line !== "");
    if (words.length) sampling.stop = words;
    else delete sampling.stop;
    onChange();
  });
  return h("div", { class: "wc-sampling-grid" }, numbers, field(t("drawer.stop"), stop, t("drawer.stop_hint")), field(t("templates.model"), modelField(draft, onChange, disabled), t("templates.model_hint")));
}

/** @param {TemplateText} draft @param {() => void} onChange @param {boolean} disabled */
function modelField(draft, onChange, disabled) {
  const names = [...new Set([...settings.models.map(({ name }) => name), ...(draft.model ? [draft.model] : [])])];
  const control = h("select", { disabled }, h("option", { value: "" }, t("templates.any_model")), names.map((name) => h("option", { value: name }, name)));
  control.value = draft.model ?? "";
  control.addEventListener("change", () => ((draft.model = control.value || null), onChange()));
  return control;
}
