// Versions of a text as one sees them: a row to choose one by, and what has changed since.

import { h } from "../dom.js";
import { language, t } from "../i18n.js";
import { aroundChanges } from "./diff.js";

/** @import { Row } from "./diff.js" */

const SIGNS = { gone: "−", new: "+", same: " " };

/** @param {string} at @param {string | null} author */
export function when(at, author) {
  return [new Date(at).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" }), author].filter(Boolean).join(" · ");
}

/** @param {string} name @param {string} about @param {string | null} note @param {() => void} onclick */
export function versionRow(name, about, note, onclick) {
  return h(
    "button",
    { type: "button", class: "wc-version-row", "aria-pressed": "false", onclick },
    h("strong", {}, name),
    about && h("span", { class: "wc-quiet" }, about),
    note && h("span", { dir: "auto" }, note),
  );
}

/** @param {Row[]} rows */
export function diffView(rows) {
  return h("div", { class: "wc-diff", role: "group" }, aroundChanges(rows).map(line));
}

/** @param {ReturnType<typeof aroundChanges>[number]} row */
function line(row) {
  if (row[0] === "skip") return h("div", { class: "wc-diff-skip" }, t("templates.diff_skip", { count: row[1] }));
  const [mark, text] = row;
  const said = mark === "same" ? null : h("span", { class: "wc-visually-hidden" }, t(`templates.diff_${mark}`));
  return h("div", { class: `wc-diff-line wc-diff-${mark}` }, h("span", { "aria-hidden": "true" }, SIGNS[mark]), said, h("span", { dir: "auto" }, text || " "));
}
