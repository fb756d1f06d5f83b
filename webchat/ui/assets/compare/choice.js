// Whether what is sent is answered twice, by two models or with two settings: the button in the composer. Testers do not choose the models; of whoever
// gave them the link they are asked to compare, until they switch it off.

import { bus } from "../bus.js";
import { connection } from "../connection.js";
import { iconButton, toggleMenu } from "../dom.js";
import { t } from "../i18n.js";
import { settings } from "../settings.js";
import { turned } from "./differing.js";
import { comparesOn } from "./vote.js";

/** @import { MenuItem } from "../dom.js" */
/** @import { Against, Settings } from "../types.js" */
/** @import { Other } from "./differing.js" */

// other: what the chat is compared with, null for nothing. main: the chat's own. off: a tester wants no comparisons.
/** @type {{ other: Other | null, main: { model: string, settings: Settings } | null, off: boolean }} */
const state = { other: null, main: null, off: false };
/** @type {HTMLButtonElement} */
let button;

export const comparing = {
  /** What the next message is compared with; null for one reply. */
  /** @returns {Against | null} */
  get against() {
    if (connection.link) return offered() && !state.off ? {} : null;
    return state.other && named(state.other) ? againstOf(state.other) : null;
  },

  /** What is compared with, as the composer says it. */
  get words() {
    const model = state.other && named(state.other);
    if (connection.link || !model) return t("compare.paired");
    return t(state.other?.changes ? "compare.on_settings" : "compare.on", { model });
  },

  /** The choices for one message, under a button. done: called with the other side. */
  /** @param {HTMLElement} under @param {(against: Against) => void} done */
  choose(under, done) {
    toggleMenu(under, [{ heading: t("compare.with") }, ...choices((other) => done(againstOf(other)))]);
  },

  /** Whether a reply may be compared with another one at all. */
  get offered() {
    return offered();
  },
};

/** @param {HTMLElement} beside @param {() => void} changed */
export function mountComparing(beside, changed) {
  button = iconButton("compare", t("compare.button"), () => press(changed), { id: "wc-compare-button" });
  beside.after(button);
  for (const event of /** @type {const} */ (["me", "models", "settings"])) bus.on(event, draw);
  draw();
}

function offered() {
  return connection.link ? settings.models.length > 1 && comparesOn(connection.link) : settings.models.length > 0;
}

const others = () => settings.models.filter(({ key, unlisted }) => key !== settings.model && !unlisted);

/** The name of the other side's model; "" where there is none, or nothing to tell the sides apart. */
/** @param {Other} other */
function named({ model, changes }) {
  if (model === settings.model && !changes) return "";
  return settings.models.find(({ key }) => key === model)?.name ?? "";
}

/** @param {Other} other @returns {Against} */
const againstOf = ({ model, changes }) => (changes ? { model, settings: changes } : { model });

/** @param {(other: Other) => void} choose @returns {MenuItem[]} */
function choices(choose) {
  const { other } = state;
  const models = others().map(({ key, name }) => ({ label: name, checked: key === other?.model && !other.changes, onclick: () => choose({ model: key, changes: null }) }));
  const ask = async () => (await import("./other.js")).askOther(other?.changes ? other : null, choose);
  return [...models, { label: t("compare.other"), checked: Boolean(other?.changes), onclick: ask }];
}

/** @param {() => void} changed */
function press(changed) {
  const set = (/** @type {Partial<typeof state>} */ next) => {
    Object.assign(state, next);
    draw();
    changed();
  };
  if (connection.link) return set({ off: !state.off });
  const off = { label: t("compare.off"), checked: !comparing.against, onclick: () => set({ other: null }) };
  toggleMenu(button, [{ heading: t("compare.with") }, ...choices((other) => set({ other })), "-", off], { above: true });
}

function draw() {
  const { model, current } = settings;
  if (model) {
    // A chat that goes on with the other side is compared with what it had.
    const now = { model, settings: current };
    if (state.other && state.main) state.other = turned(state.other, state.main, now);
    state.main = now;
  }
  button.hidden = !offered();
  const on = comparing.against !== null;
  const label = on && !connection.link ? comparing.words : t("compare.button");
  button.setAttribute("aria-pressed", String(on));
  button.setAttribute("aria-label", label);
  button.title = label;
  if (connection.link) button.removeAttribute("aria-haspopup");
  else button.setAttribute("aria-haspopup", "menu");
}
