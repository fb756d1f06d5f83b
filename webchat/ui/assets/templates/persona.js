// Whom the model plays in this conversation: a quiet chip in the top bar, and what is behind it.

import { bus } from "../bus.js";
import { h, icon, the, showPopover } from "../dom.js";
import { errorLine, t } from "../i18n.js";
import { settings } from "../settings.js";
import { style } from "../style.js";
import { toast } from "../toast.js";
import { verbs } from "./data.js";
import { useTemplate } from "./use.js";

/** @import { Persona } from "../types.js" */

const phone = matchMedia("(max-width: 767px)");

/** @type {HTMLElement} */
let chip;
/** @type {HTMLElement} */
let name;
/** @type {HTMLElement} */
let button;

export async function mountPersona() {
  await style("templates");
  name = h("span", { class: "wc-persona-name wc-one-line", dir: "auto" });
  button = h("button", { type: "button", class: "wc-persona-chip", "aria-haspopup": "dialog", "aria-expanded": "false", onclick: show }, icon("persona"), name);
  chip = h("div", { class: "wc-persona" }, button);
  phone.addEventListener("change", stand);
  bus.on("settings", draw);
  stand();
  draw();
}

// In the bar where there is room, under it on a phone.
function stand() {
  if (phone.matches) the("#wc-topbar").after(chip);
  else the("#wc-topbar-end-part").before(chip);
}

function draw() {
  const { persona } = settings.current;
  chip.hidden = !persona;
  if (!persona) return;
  name.textContent = persona.name;
  const label = t("templates.persona_label", { name: persona.name, version: persona.version });
  button.setAttribute("aria-label", label);
  button.title = label;
}

function show() {
  const { persona, system_prompt: words } = settings.current;
  if (!persona) return;
  const close = () => box.hidePopover();
  const action = (/** @type {string} */ label, /** @type {() => void} */ onclick) => h("button", { type: "button", class: "wc-button", onclick }, label);
  const values = h("dl", { class: "wc-persona-values" });
  const newer = h("p", { class: "wc-quiet", hidden: true });
  const box = h(
    "div",
    { class: "wc-persona-box wc-panel", popover: "auto", role: "dialog", "aria-label": t("templates.persona"), tabindex: "-1" },
    h("div", { class: "wc-persona-head" }, h("h2", { dir: "auto" }, persona.name), h("span", { class: "wc-quiet" }, t("templates.version", { number: persona.version }))),
    newer,
    values,
    h("h3", {}, t("templates.system")),
    h("div", { class: "wc-preview-text", dir: "auto", tabindex: "0" }, words ?? ""),
    h(
      "div",
      { class: "wc-persona-foot" },
      action(t("templates.persona_remove"), () => (close(), remove(persona))),
      action(t("templates.persona_change"), () => (close(), change(persona))),
    ),
  );
  button.setAttribute("aria-expanded", "true");
  showPopover(button, box, { onClose: () => button.setAttribute("aria-expanded", "false") });
  describe(persona, values, newer);
}

// The values under their labels, once the template is there; under their names when it is gone.
/** @param {Persona} persona @param {HTMLElement} list @param {HTMLElement} newer */
async function describe(persona, list, newer) {
  const write = (/** @type {(key: string) => string} */ label) => list.replaceChildren(
    ...Object.entries(persona.values ?? {}).filter(([, value]) => value !== null && value !== "").map(([key, value]) =>
      h("div", {}, h("dt", { dir: "auto" }, label(key)), h("dd", { dir: "auto" }, typeof value === "boolean" ? t(value ? "templates.yes" : "templates.no") : String(value)))),
  );
  write((key) => key);
  try {
    const { content, version } = await verbs.get(persona.id);
    write((key) => content.variables.find((variable) => variable.name === key)?.label || key);
    newer.hidden = version <= persona.version;
    newer.textContent = t("templates.persona_newer", { number: version });
  } catch {
    // the text and the values are all there is to tell
  }
}

/** @param {Persona} persona */
async function change(persona) {
  const { chat } = settings;
  try {
    await useTemplate(await verbs.get(persona.id), { values: persona.values ?? {}, persona: true, chat });
  } catch (error) {
    toast(errorLine(error), { kind: "error" });
  }
}

// The sampling that came with the persona goes with it, as far as it is still the same.
/** @param {Persona} persona */
async function remove(persona) {
  const { chat } = settings;
  /** @type {Record<string, unknown>} */
  const brought = await verbs.get(persona.id).then(({ content }) => ({ ...content.sampling }), () => ({}));
  if (chat !== settings.chat || settings.current.persona?.id !== persona.id) return; // no longer there
  const onclick = settings.undo();
  const stays = (/** @type {[string, unknown]} */ [field, value]) => JSON.stringify(brought[field]) !== JSON.stringify(value);
  const rest = Object.fromEntries(Object.entries(settings.current.sampling).filter(stays));
  if (!(await settings.update({ persona: null, system_prompt: null, sampling: rest }))) return;
  toast(t("templates.persona_removed"), { action: { label: t("app.undo"), onclick } });
}
