// The inputs that a function takes beside the conversation, in the drawer: controls by their kinds, whose values are
// settings of the conversation. Labels and choices are the function's author's own words.

import { bus } from "./bus.js";
import { h } from "./dom.js";
import { settings } from "./settings.js";

/** @import { Input } from "./wire.js" */
/** @typedef {string | number | boolean | string[] | null} Value */
/** @typedef {{ element: HTMLElement, read(): Value | undefined, write(value: Value): void }} Control */

const SAVE_AFTER = 600;

/** @type {Map<string, Control>} */
const controls = new Map();
const section = h("div", { class: "wc-inputs", hidden: true });
let drawn = "";
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

export function mountInputs() {
  section.addEventListener("input", (event) => {
    event.stopPropagation(); // the drawer's own controls are saved by the drawer
    const writes = event.target instanceof HTMLTextAreaElement || (event.target instanceof HTMLInputElement && ["text", "number"].includes(event.target.type));
    clearTimeout(timer);
    timer = setTimeout(save, writes ? SAVE_AFTER : 0);
  });
  section.addEventListener("change", save);
  bus.on("models", draw);
  bus.on("settings", draw);
  draw();
  return section;
}

// What is on the screen is in `settings` when this returns.
export function flushInputs() {
  if (timer !== undefined) save();
}

function save() {
  clearTimeout(timer);
  timer = undefined;
  /** @type {Record<string, Value>} */
  const inputs = {};
  for (const input of settings.info?.inputs ?? []) {
    const value = controls.get(input.name)?.read();
    if (value === undefined) return; // it says itself what is wrong
    if (JSON.stringify(value) !== JSON.stringify(input.default)) inputs[input.name] = value;
  }
  settings.update({ inputs });
}

function draw() {
  const inputs = settings.info?.inputs ?? [];
  const wanted = JSON.stringify(inputs);
  section.hidden = !inputs.length;
  if (wanted !== drawn) {
    drawn = wanted;
    controls.clear();
    for (const input of inputs) controls.set(input.name, made(input));
    section.replaceChildren(...[...controls.values()].map(({ element }) => element));
  }
  if (timer !== undefined) return; // something is being written, and newer
  for (const input of inputs) {
    const value = settings.current.inputs?.[input.name];
    controls.get(input.name)?.write(value === undefined ? /** @type {Value} */ (input.default) : /** @type {Value} */ (value));
  }
}

/** @param {Input} input @returns {Control} */
function made(input) {
  switch (input.kind) {
    case "checkbox":
      return checkbox(input);
    case "choice":
      return choice(input);
    case "choices":
      return choices(input);
    case "text":
      return text(input);
    default:
      return number(input);
  }
}

/** @param {Input} input @param {HTMLElement} control @param {...HTMLElement} beside */
function labelled(input, control, ...beside) {
  const head = h("span", { class: "wc-extra-label" }, input.label, ...beside);
  return h("label", { class: "wc-extra" }, head, input.about ? h("span", { class: "wc-extra-about" }, input.about) : "", control);
}

/** @param {Input} input @returns {Control} */
function text(input) {
  const box = /** @type {HTMLTextAreaElement} */ (h("textarea", { rows: input.lines, maxlength: input.max_chars, dir: "auto" }));
  return { element: labelled(input, box), read: () => box.value, write: (value) => put(box, String(value ?? "")) };
}

/** @param {Input} input @returns {Control} */
function number(input) {
  const slider = input.kind === "slider";
  const bound = (/** @type {number | null} */ value) => (value === null ? {} : { value: String(value) });
  const box = /** @type {HTMLInputElement} */ (h("input", { type: slider ? "range" : "number", step: slider ? (input.step ?? "any") : input.integer ? 1 : "any" }));
  for (const [name, { value }] of /** @type {const} */ ([["min", bound(input.minimum)], ["max", bound(input.maximum)]])) if (value !== undefined) box.setAttribute(name, value);
  const shown = h("output", {});
  const tell = () => (shown.textContent = slider ? box.value : "");
  box.addEventListener("input", tell);
  return {
    element: labelled(input, box, shown),
    read() {
      const good = box.checkValidity() && (box.value !== "" || input.default === null);
      box.setAttribute("aria-invalid", String(!good));
      if (!good) return void box.reportValidity();
      return box.value === "" ? null : Number(box.value);
    },
    write(value) {
      put(box, String(value ?? ""));
      tell();
    },
  };
}

/** @param {Input} input @returns {Control} */
function checkbox(input) {
  const box = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox" }));
  const head = h("span", { class: "wc-extra-label" }, input.label);
  const about = input.about ? h("span", { class: "wc-extra-about" }, input.about) : "";
  return { element: h("label", { class: "wc-extra wc-extra-check" }, box, head, about), read: () => box.checked, write: (value) => void (box.checked = value === true) };
}

/** @param {Input} input @returns {Control} */
function choice(input) {
  const options = input.choices.map(([label], at) => h("option", { value: String(at) }, label));
  if (input.default === null) options.unshift(h("option", { value: "" }, "\u2013"));
  const box = /** @type {HTMLSelectElement} */ (h("select", {}, options));
  return {
    element: labelled(input, box),
    read: () => (box.value === "" ? null : input.choices[Number(box.value)][1]),
    write(value) {
      const at = input.choices.findIndex(([, one]) => one === value);
      box.value = at < 0 ? "" : String(at);
    },
  };
}

/** @param {Input} input @returns {Control} */
function choices(input) {
  const boxes = input.choices.map(() => /** @type {HTMLInputElement} */ (h("input", { type: "checkbox" })));
  const rows = boxes.map((box, at) => h("label", { class: "wc-extra-check" }, box, h("span", {}, input.choices[at][0])));
  const about = input.about ? h("span", { class: "wc-extra-about" }, input.about) : "";
  return {
    element: h("fieldset", { class: "wc-extra" }, h("legend", { class: "wc-extra-label" }, input.label), about, rows),
    read: () => input.choices.filter((_, at) => boxes[at].checked).map(([, value]) => String(value)),
    write(value) {
      boxes.forEach((box, at) => (box.checked = Array.isArray(value) && value.includes(String(input.choices[at][1]))));
    },
  };
}

/** @param {HTMLInputElement | HTMLTextAreaElement} box @param {string} value */
function put(box, value) {
  if (box.value !== value && box !== document.activeElement) box.value = value;
}
