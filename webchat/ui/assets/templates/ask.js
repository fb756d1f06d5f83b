// A question that waits for its answer.

import { h, showDialog } from "../dom.js";
import { t } from "../i18n.js";

// true for `yes`; false for anything else, Escape too.
export function ask({ title, words, yes }) {
  return new Promise((resolve) => {
    let answer = false;
    const button = (label, value, kind = "") => h("button", { type: "button", class: `wc-button ${kind}`, onclick: () => ((answer = value), dialog.close()) }, label);
    const stay = button(t("templates.keep_editing"), false, "wc-primary");
    const dialog = showDialog("wc-ask", title, h("h2", {}, title), h("p", { class: "wc-quiet" }, words), h("div", { class: "wc-ask-foot" }, button(yes, true), stay));
    dialog.addEventListener("close", () => resolve(answer));
    stay.focus();
  });
}
