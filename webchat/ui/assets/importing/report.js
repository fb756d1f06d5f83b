// What is in a file, or was imported of it: counts, and problems by their places.

import { h } from "../dom.js";
import { has, t } from "../i18n.js";

/** @import { Import } from "../types.js" */

const CHECKED = ["new", "unchanged", "deleted", "messages", "branches", "reasoning", "attachments"];
const DONE = ["new", "extended", "unchanged", "deleted", "added", "attachments", "blocked"];
const ALWAYS = new Set(["new"]);

/** @param {Import} job @param {Record<string, string>} products */
export function findings({ state, counts }, products) {
  const from = Object.entries(products)
    .filter(([key]) => counts[`product.${key}`])
    .map(([key, name]) => t("import.product", { name, count: counts[`product.${key}`] }));
  const keys = state === "done" ? DONE : CHECKED;
  const rows = keys.filter((key) => ALWAYS.has(key) || counts[key]).map((key) => h("div", {}, h("dt", {}, t(`import.count.${state === "done" ? "done." : ""}${key}`)), h("dd", {}, (counts[key] ?? 0).toLocaleString())));
  return h("div", { class: "wc-import-findings" }, from.length > 0 && h("p", {}, from.join(t("app.list_separator"))), h("dl", {}, rows));
}

/** @param {Import} job */
export function problems({ counts, problems: some }) {
  if (!some.length) return null;
  const all = Math.max(some.length, (counts.bad ?? 0) + (counts.notes ?? 0));
  const rows = some.map((one) => h("li", {}, one.place && h("span", { class: "wc-import-place", dir: "auto" }, one.place), h("span", {}, sentence(one.code, one.params))));
  const more = all > some.length && h("p", { class: "wc-import-quiet" }, t("import.more_problems", { count: all - some.length }));
  return h("details", { class: "wc-import-problems", open: some.length <= 3 }, h("summary", {}, t("import.problems", { count: all })), h("ul", {}, rows), more);
}

/** @param {string} code @param {Record<string, string | number>} params */
function sentence(code, params) {
  const key = `import.problem.${code}`;
  return has(key) ? t(key, params) : code;
}
