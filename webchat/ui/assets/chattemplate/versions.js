// What a model's chat template was, and how that differs from what is in the box.

import { h } from "../dom.js";
import { has, t } from "../i18n.js";
import { lineDiff } from "../templates/diff.js";
import { diffView, versionRow, when } from "../templates/history.js";

/** @import { ChatTemplate } from "../types.js" */
/** @typedef {{ name: string, about: string, note: string, text: string }} Version */

/** Where the template in force is from, in words. */
/** @param {ChatTemplate} template */
export function sourceLine({ source, number, versions }) {
  const version = versions.find((one) => one.number === number);
  if (source === "override" && version) {
    return [t("chattemplate.in_force_version", { number }), h("span", { class: "wc-muted" }, when(version.created_at, version.author))];
  }
  const key = `chattemplate.in_force.${String(source).split(":")[0]}`;
  return [has(key) ? t(key) : t("chattemplate.in_force", { source })];
}

// now(): the text in the box. goBack(text): the operator wants this one in the box.
/** @param {ChatTemplate} template @param {() => string} now @param {(text: string) => void} goBack */
export function versionsView({ own, versions }, now, goBack) {
  const rows = versions.map(({ number, created_at: at, author, note, text }) => ({
    name: t("chattemplate.version", { number }),
    about: when(at, author),
    note: text === null ? [t("chattemplate.own_again"), note].filter(Boolean).join(" · ") : note,
    text: text ?? own ?? "",
  }));
  if (own !== null) rows.push({ name: t("chattemplate.models_own"), about: "", note: "", text: own });
  if (!rows.length) return h("p", { class: "wc-muted" }, t("chattemplate.no_versions"));
  const detail = h("div", { class: "wc-chat-difference", "aria-live": "polite" });
  const buttons = rows.map(({ name, about, note }, index) => versionRow(name, about, note, () => choose(index)));
  const choose = (/** @type {number} */ chosen) => {
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(index === chosen)));
    detail.replaceChildren(...difference(rows[chosen], now(), goBack));
  };
  choose(0);
  return h("div", { class: "wc-chat-versions" }, h("div", { class: "wc-version-list", role: "group", "aria-label": t("chattemplate.tab.versions") }, buttons), detail);
}

/** @param {Version} version @param {string} present @param {(text: string) => void} goBack */
function difference({ name, text }, present, goBack) {
  const rows = lineDiff(text, present);
  const same = rows.every(([mark]) => mark === "same");
  const back = same ? null : h("button", { type: "button", class: "wc-button", onclick: () => goBack(text) }, t("templates.go_back"));
  const head = h("div", { class: "wc-version-head" }, h("p", { class: "wc-quiet" }, t(same ? "chattemplate.same" : "chattemplate.difference", { name })), back);
  return [head, same ? h("pre", { class: "wc-diff" }, text) : diffView(rows)];
}
