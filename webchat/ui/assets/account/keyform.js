// The form of a new key: what it opens, for how long, and how much it may be used.

import { h } from "../dom.js";
import { t } from "../i18n.js";
import { settings } from "../settings.js";
import { field, setProblem } from "../sheet.js";
import { COUNTS, LIFETIMES, read, SCOPES } from "./keyterms.js";

/** @import { NewApiKeyBody } from "../types.js" */
/** @import { Filled } from "./keyterms.js" */

// make: asks for the key; the error that it rejects with is shown. close: ends the form.
/** @param {{ make(body: NewApiKeyBody): Promise<void>, close(): void, words(error: any): string }} deeds */
export function keyForm({ make, close, words }) {
  const name = h("input", { type: "text", maxlength: "100", autocomplete: "off", dir: "auto", required: true });
  const today = new Date().toISOString().slice(0, 10);
  const date = h("input", { type: "date", min: today, "aria-label": t("keys.date") });
  const dated = field("", date);
  dated.hidden = true;
  dated.querySelector("label")?.remove();
  const expires = h("select", { onchange: () => (dated.hidden = expires.value !== "date") && setProblem(date, "") }, LIFETIMES.map((value) => h("option", { value }, t(`keys.expires.${value}`))));
  const scopes = checks("keys.scopes", SCOPES, (scope) => t(`keys.scope.${scope}`), true);
  const names = settings.models.map((model) => model.name);
  const models = checks("keys.models", names, (model) => model, false, t("keys.models_hint"));
  const counts = COUNTS.map((count) => h("input", { type: "text", inputmode: "numeric", maxlength: "10", autocomplete: "off", placeholder: t("keys.no_limit"), name: count }));
  const stored = h("input", { type: "checkbox", checked: true });
  const save = h("button", { class: "wc-button wc-primary" }, t("keys.create"));
  const more = h(
    "details",
    { class: "wc-account-more" },
    h("summary", {}, t(names.length > 1 ? "keys.more" : "keys.limits")),
    names.length > 1 && models.element,
    h("div", { class: "wc-account-counts" }, counts.map((box, at) => field(t(`keys.${COUNTS[at]}`), box))),
  );
  const form = h(
    "form",
    { class: "wc-account-form", novalidate: true, onsubmit: submit },
    field(t("keys.name"), name, t("keys.name_hint")),
    h("div", {}, field(t("keys.expires"), expires), dated),
    scopes.element,
    h("label", { class: "wc-account-check" }, stored, h("span", {}, t("keys.stored"))),
    more,
    h("div", { class: "wc-account-buttons" }, save, h("button", { type: "button", class: "wc-button", onclick: close }, t("app.cancel"))),
  );
  const boxes = { name, date, scopes: scopes.element, ...Object.fromEntries(counts.map((box) => [box.name, box])) };

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    for (const box of Object.values(boxes)) setProblem(box, "");
    const values = /** @type {Filled["counts"]} */ (Object.fromEntries(counts.map((box) => [box.name, box.value])));
    const found = read({ name: name.value, expires: expires.value, date: date.value, scopes: scopes.chosen(), models: models.chosen(), stored: stored.checked, counts: values }, today);
    if ("problem" in found) {
      const box = boxes[/** @type {keyof typeof boxes} */ (found.field)];
      more.open ||= more.contains(box);
      setProblem(box, t(found.problem));
      return (box instanceof HTMLFieldSetElement ? box.querySelector("input") : box)?.focus();
    }
    save.disabled = true;
    try {
      await make(found.body);
    } catch (error) {
      setProblem(name, words(error));
      save.disabled = false;
    }
  }

  return { form, focus: () => name.focus() };
}

// A box to tick for each value.
/** @template {string} V @param {string} legend @param {readonly V[]} values @param {(value: V) => string} words @param {boolean} checked @param {string} [hint] */
function checks(legend, values, words, checked, hint = "") {
  const boxes = values.map((value) => h("input", { type: "checkbox", checked, value }));
  const id = `wc-${legend.replace(".", "-")}`;
  const note = h("p", { class: "wc-field-hint", id: `${id}-hint` }, hint);
  const rows = values.map((value, at) => h("label", { class: "wc-account-check" }, boxes[at], h("span", { dir: "auto" }, words(value))));
  const element = h("fieldset", { class: "wc-account-scopes", id, "aria-describedby": note.id }, h("legend", {}, t(legend)), h("div", { class: "wc-account-choices" }, rows), note);
  return { element, chosen: () => values.filter((_, at) => boxes[at].checked) };
}
