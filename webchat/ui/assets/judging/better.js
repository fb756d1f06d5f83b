// A better answer beside the reply it is for: what was taken out of it, and what came in.

import { h } from "../dom.js";
import { t } from "../i18n.js";
import { wordDiff } from "../templates/diff.js";

const TAGS = /** @type {const} */ ({ same: "span", gone: "del", new: "ins" });

/** @param {string} reply @param {string} better @param {{ edit(): void, remove(): void }} deeds */
export function compared(reply, better, { edit, remove }) {
  const words = wordDiff(reply, better).map(([mark, text]) => h(TAGS[mark], {}, text));
  return h(
    "div",
    { class: "wc-judge-compared" },
    h("p", { class: "wc-muted" }, t("judge.better_title")),
    h("div", { class: "wc-judge-diff", dir: "auto", tabindex: "0", role: "group", "aria-label": t("judge.better_title") }, words),
    h(
      "div",
      { class: "wc-judge-acts" },
      h("button", { type: "button", class: "wc-button", onclick: edit }, t("judge.better_edit")),
      h("button", { type: "button", class: "wc-button", onclick: remove }, t("judge.better_undo")),
    ),
  );
}
