// Settings of the conversation on the screen. Gradio draws the controls; here is what they mean.

import { bus } from "./bus.js";
import { h, iconButton, the } from "./dom.js";
import { write } from "./gradio.js";
import { t } from "./i18n.js";
import { flushInputs, mountInputs } from "./inputs.js";
import { settings } from "./settings.js";
import { toast } from "./toast.js";

/** @import { Settings } from "./types.js" */
/** @typedef {HTMLInputElement | HTMLTextAreaElement} Control */

const NUMBERS = /** @type {const} */ (["temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "seed"]);
/** @type {Set<string>} */
const WHOLE = new Set(["top_k", "max_tokens", "seed"]);
const SAVE_AFTER = 600;

const panel = () => the("#wc-drawer");
/** @param {string} name */
const field = (name) => the(`#wc-sampling-${name}`);
/** @param {string} name */
const input = (name) => /** @type {HTMLInputElement} */ (field(name).querySelector("input") ?? the("textarea", field(name)));
const prompt = () => the("#wc-system-prompt textarea");

const scope = h("p", { class: "wc-drawer-scope" });
const none = h("p", { class: "wc-drawer-scope", hidden: true }, t("drawer.no_sampling"));
const state = h("span", { class: "wc-drawer-state", role: "status" });
const persona = h("p", { class: "wc-drawer-scope", hidden: true });
/** @type {number | undefined} */
let timer;
/** @type {Element | null} */
let opener = null;
let filling = false; // `put` writes, and not the visitor
/** @type {Map<Control, string>} */
const filled = new Map(); // what `put` wrote into each control: anything else there is the visitor's

/** What sampling can be set, and its bounds. */
export function samplingFields() {
  return NUMBERS.map((name) => ({ name, min: input(name).min, max: input(name).max, whole: WHOLE.has(name) }));
}

/** @param {Control} box */
const changed = (box) => box.value !== (filled.get(box) ?? "");

/** @param {HTMLElement} element */
export function mountDrawer(element) {
  element.replaceChildren(
    h("div", { class: "wc-drawer-head" }, h("h2", {}, t("drawer.title")), state, iconButton("close", t("app.close"), () => drawer.toggle(false))),
    scope,
    persona,
    mountInputs(),
  );
  panel().setAttribute("role", "complementary");
  panel().setAttribute("aria-label", t("drawer.title"));
  prompt().dir = "auto";
  panel().inert = true;
  the("#wc-drawer-reset").before(none);
  panel().addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    drawer.toggle(false);
  });
  panel().addEventListener("input", () => filling || drawer.save());
  the("#wc-drawer-reset").addEventListener("click", () => drawer.reset());
  bus.on("models", fill);
  bus.on("settings", fill);
  fill();
}

export const drawer = {
  /** @param {string | null} id */
  show(id) {
    drawer.flush();
    scope.textContent = t(id === null ? "drawer.scope_new" : "drawer.scope");
  },

  toggle(open = !document.documentElement.classList.contains("wc-drawer-open")) {
    if (open) opener = document.activeElement;
    else drawer.flush();
    document.documentElement.classList.toggle("wc-drawer-open", open);
    panel().inert = !open;
    document.querySelector("#wc-drawer-toggle")?.setAttribute("aria-expanded", String(open));
    if (open) prompt().focus({ preventScroll: true });
    else if (opener instanceof HTMLElement) opener.focus();
  },

  // The controls were changed by the visitor.
  save() {
    state.textContent = "";
    clearTimeout(timer);
    timer = setTimeout(drawer.flush, SAVE_AFTER);
    const changes = read({ tell: false });
    if (changes) settings.keep(changes);
  },

  // What is on the screen is in `settings` when this returns; it is being saved. False when a control holds what no model
  // takes.
  flush() {
    flushInputs();
    clearTimeout(timer);
    timer = undefined;
    const changes = read();
    if (!changes) return false;
    if (settings.differ(changes)) settings.update(changes).then(saved);
    else fill();
    return true;
  },

  async reset() {
    clearTimeout(timer);
    timer = undefined;
    await settings.update({ system_prompt: null, sampling: {}, persona: null, inputs: {} });
    fill();
    toast(t("drawer.reset_done"));
  },
};

/** @param {boolean} done */
function saved(done) {
  if (!done) return;
  state.textContent = t("drawer.saved");
  setTimeout(() => (state.textContent = ""), 2000);
}

// What the visitor changed in the controls, as settings; null when one of them holds what no model takes. The rest stays
// as it is set, also when that is newer than the control.
/** @param {{ tell?: boolean }} [options] @returns {Partial<Settings> | null} */
function read({ tell = true } = {}) {
  const sampling = { ...settings.current.sampling };
  let valid = true;
  for (const name of NUMBERS) {
    const box = input(name);
    const value = box.value.trim() === "" ? null : Number(box.value);
    const good = !changed(box) || value === null || (Number.isFinite(value) && value >= Number(box.min) && value <= Number(box.max) && (!WHOLE.has(name) || Number.isInteger(value)));
    valid &&= good;
    if (changed(box)) sampling[name] = value;
    if (!tell) continue;
    box.setAttribute("aria-invalid", String(!good));
    box.setCustomValidity(good ? "" : t("drawer.invalid", { min: Number(box.min), max: Number(box.max) }));
    if (!good) box.reportValidity();
  }
  if (changed(input("stop"))) sampling.stop = input("stop").value.split("\n").filter((line) => line !== "");
  if (!valid) return null;
  if (!changed(prompt())) return { sampling };
  const system_prompt = prompt().value.trim() ? prompt().value : null;
  return { system_prompt, sampling, persona: null }; // written by hand: no longer the persona's text
}

function fill() {
  const model = settings.info;
  const { system_prompt, sampling } = settings.current;
  put(prompt(), system_prompt ?? "");
  const { persona: played } = settings.current;
  persona.hidden = !played;
  persona.textContent = played ? t("drawer.persona", { name: played.name }) : "";
  prompt().placeholder = model?.system_prompt ? t("drawer.system_prompt_default", { prompt: model.system_prompt }) : t("drawer.system_prompt_hint");
  const takes = new Set(model?.takes ?? []);
  for (const name of /** @type {const} */ ([...NUMBERS, "stop"])) {
    // What is set and not taken stays in sight, to be cleared.
    const idle = !takes.has(name) && sampling[name] !== undefined;
    field(name).hidden = !takes.has(name) && !idle;
    field(name).classList.toggle("wc-not-taken", idle);
    if (idle) field(name).dataset.note = t("drawer.not_taken");
  }
  none.hidden = model === null || takes.size > 0;
  for (const name of NUMBERS) {
    const value = model?.sampling?.[name];
    put(input(name), sampling[name] ?? "");
    input(name).placeholder = value === undefined || value === null ? t("sampling.default") : t("sampling.default_value", { value });
  }
  put(input("stop"), (sampling.stop ?? []).join("\n"));
}

/** @param {Control} box @param {string | number} value */
function put(box, value) {
  const text = String(value).replace(/\r\n?/g, "\n"); // as a textarea gives it back
  if (timer !== undefined && changed(box)) return; // the visitor is writing; what is in the control is newer
  if (box.value !== text && box === document.activeElement) return;
  const same = box.value === text;
  filled.set(box, text);
  if (same) return;
  filling = true;
  write(box, text);
  filling = false;
}
