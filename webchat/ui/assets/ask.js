// A question that waits for its answer.

import { h, showDialog } from "./dom.js";
import { t } from "./i18n.js";

// true for `yes`; false for `no` and anything else, Escape too. danger: what `yes` does cannot be undone.
/** @param {{ title: string, words: string, yes: string, no?: string, danger?: boolean }} question @returns {Promise<boolean>} */
export function ask({ title, words, yes, no = t("app.cancel"), danger = false }) {
  return new Promise((resolve) => {
    let answer = false;
    /** @param {string} label @param {boolean} value @param {string} [kind] */
    const button = (label, value, kind = "") => h("button", { type: "button", class: `wc-button ${kind}`, onclick: () => ((answer = value), dialog.close()) }, label);
    const stay = button(no, false, danger ? "" : "wc-primary");
    const go = button(yes, true, danger ? "wc-danger wc-fatal" : "");
    const dialog = showDialog("wc-ask", title, h("h2", {}, title), h("p", {}, words), h("div", { class: "wc-sheet-foot" }, danger ? [stay, go] : [go, stay]));
    dialog.addEventListener("close", () => resolve(answer));
    stay.focus();
  });
}
