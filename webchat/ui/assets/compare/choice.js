// Whether what is sent is answered by two models: the button in the composer. Testers do not choose the models; of whoever
// gave them the link they are asked to compare, until they switch it off.

import { bus } from "../bus.js";
import { connection } from "../connection.js";
import { iconButton, toggleMenu } from "../dom.js";
import { t } from "../i18n.js";
import { settings } from "../settings.js";
import { comparesOn } from "./vote.js";

/** @import { MenuItem } from "../dom.js" */
/** @import { Against } from "../types.js" */

// model, main: the keys of the other model and of the chat's own. off: a tester wants no comparisons.
/** @type {{ model: string | null, main: string | null, off: boolean }} */
const state = { model: null, main: null, off: false };
/** @type {HTMLButtonElement} */
let button;

export const comparing = {
  /** What the next message is compared with; null for one reply. */
  /** @returns {Against | null} */
  get against() {
    if (connection.link) return offered() && !state.off ? {} : null;
    const other = others().find(({ key }) => key === state.model);
    return other ? { model: other.key } : null;
  },

  /** The name of the other model, as the composer says it; "" where the server chooses. */
  get name() {
    return others().find(({ key }) => key === state.model)?.name ?? "";
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
  return settings.models.length > 1 && (connection.link === null || comparesOn(connection.link));
}

const others = () => settings.models.filter(({ key, unlisted }) => key !== settings.model && !unlisted);

/** @param {() => void} changed */
function press(changed) {
  const set = (/** @type {Partial<typeof state>} */ next) => {
    Object.assign(state, next);
    draw();
    changed();
  };
  if (connection.link) return set({ off: !state.off });
  /** @type {MenuItem[]} */
  const items = others().map(({ key, name }) => ({ label: name, checked: key === state.model, onclick: () => set({ model: key }) }));
  toggleMenu(button, [{ heading: t("compare.with") }, ...items, "-", { label: t("compare.off"), checked: !comparing.against, onclick: () => set({ model: null }) }], { above: true });
}

function draw() {
  // A chat that goes on with the other model is compared with the one it had.
  if (settings.model !== state.main) {
    if (settings.model === state.model) state.model = state.main;
    state.main = settings.model;
  }
  button.hidden = !offered();
  const on = comparing.against !== null;
  const label = on && comparing.name ? t("compare.on", { model: comparing.name }) : t("compare.button");
  button.setAttribute("aria-pressed", String(on));
  button.setAttribute("aria-label", label);
  button.title = label;
  if (connection.link) button.removeAttribute("aria-haspopup");
  else button.setAttribute("aria-haspopup", "menu");
}
