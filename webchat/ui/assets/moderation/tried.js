// Rules on trial: a text, or the newest stored messages, and what would become of them. Nothing is kept.

import { api } from "../api.js";
import { h } from "../dom.js";
import { errorLine, language, t } from "../i18n.js";
import { field, setProblem } from "../sheet.js";
import { actionBadge, counted, ruleName, segments, STAGES, stageName, when } from "./parts.js";

/** @import { Trial, TrialBody, TriedText } from "../types.js" */
/** @import { Wish } from "./parts.js" */

export function tryTab() {
  /** @type {"text" | "last"} */
  let source = "text";
  const text = h("textarea", { rows: "6", maxlength: "100000", placeholder: t("moderation.try_placeholder") });
  const last = h("input", { type: "number", min: "1", max: "500", value: "100", inputmode: "numeric" });
  const stage = h("select", {}, STAGES.map((name) => h("option", { value: name }, stageName(name))));
  const rules = h("textarea", { rows: "8", class: "wc-mono", spellcheck: "false", maxlength: "50000" });
  const own = h("details", { class: "wc-mod-own" }, h("summary", {}, t("moderation.own_rules")), field(t("moderation.own_rules_label"), rules, t("moderation.own_rules_hint")));
  const run = h("button", { type: "submit", class: "wc-button wc-primary" }, t("moderation.run"));
  const result = h("div", { class: "wc-mod-result", role: "status", tabindex: "-1" }, h("p", { class: "wc-mod-quiet" }, t("moderation.try_before")));
  const sources = { text: field(t("moderation.text"), text), last: field(t("moderation.last"), last, t("moderation.last_hint")) };
  const pick = (/** @type {"text" | "last"} */ name) => {
    source = name;
    for (const [other, element] of Object.entries(sources)) element.hidden = other !== name;
  };
  pick(source);
  const form = h(
    "form",
    { class: "wc-mod-form", novalidate: true, onsubmit: (event) => (event.preventDefault(), go()) },
    segments(t("moderation.source"), [["text", t("moderation.source_text")], ["last", t("moderation.source_last")]], source, pick),
    sources.text,
    sources.last,
    field(t("moderation.stage"), stage),
    own,
    h("div", { class: "wc-mod-row" }, run, h("span", { class: "wc-mod-quiet" }, t("moderation.nothing_kept"))),
  );
  const element = h("div", { class: "wc-mod-try" }, form, result);

  async function go() {
    setProblem(rules, "");
    setProblem(text, source === "text" && !text.value ? t("moderation.text_missing") : "");
    const count = Number(last.value);
    const wrong = source === "last" && !(Number.isInteger(count) && count >= 1 && count <= 500);
    setProblem(last, wrong ? t("moderation.last_wrong") : "");
    if (wrong || (source === "text" && !text.value)) return (wrong ? last : text).focus();
    /** @type {TrialBody} */
    const body = { stage: /** @type {TrialBody["stage"]} */ (stage.value), ...(source === "text" ? { text: text.value } : { last: count }) };
    if (own.open && rules.value.trim()) body.rules = rules.value;
    run.disabled = true;
    result.setAttribute("aria-busy", "true");
    try {
      result.replaceChildren(...outcome(await api.post("api/moderation/try", body)));
      result.focus({ preventScroll: true });
      if (matchMedia("(max-width: 767px)").matches) element.parentElement?.scrollTo({ top: result.offsetTop - element.offsetTop });
    } catch (error) {
      if (error.code === "rules_broken") {
        setProblem(rules, error.params.where);
        rules.focus();
        result.replaceChildren(h("p", { class: "wc-mod-quiet" }, t("moderation.try_before")));
      } else result.replaceChildren(h("p", { class: "wc-danger" }, errorLine(error)));
    }
    result.removeAttribute("aria-busy");
    run.disabled = false;
  }

  return {
    element,
    /** @param {Wish} [wish] */
    show(wish) {
      if (wish?.rules) {
        own.open = true;
        rules.value = wish.rules;
        text.focus();
      }
    },
  };
}

/** @param {Trial} trial */
function outcome({ items, checked, whole }) {
  const stored = items.some((item) => item.message_id) || checked !== 1 || !items.length;
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const item of items) {
    for (const one of item.findings) {
      const key = JSON.stringify([one.rule, one.action]);
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  /** @type {HTMLElement[]} */
  const parts = [];
  if (stored) parts.push(h("p", { class: "wc-mod-lead" }, counted("moderation.checked", checked, { found: items.length }), whole ? "" : ` ${t("moderation.not_whole")}`));
  else if (!items[0].findings.length && !items[0].blocked) parts.push(h("p", { class: "wc-mod-lead" }, t("moderation.nothing_found")));
  if (counts.size) {
    const rows = [...counts].sort((a, b) => b[1] - a[1]).map(([key, count]) => {
      const [rule, action] = JSON.parse(key);
      return h("li", {}, actionBadge(action), h("span", { class: "wc-mod-rule" }, ruleName(rule)), h("span", { class: "wc-mod-number" }, t("moderation.times", { count })));
    });
    parts.push(h("ul", { class: "wc-mod-tally" }, rows));
  }
  if (items.some((item) => item.found > item.findings.length)) parts.push(h("p", { class: "wc-mod-quiet" }, t("moderation.not_all")));
  parts.push(...items.map((item) => (item.message_id ? message(item, item.message_id) : pasted(item))));
  return parts;
}

/** @param {TriedText} item */
function pasted(item) {
  /** @type {HTMLElement[]} */
  const parts = [];
  if (item.findings.length) parts.push(h("h3", {}, t("moderation.found_in")), marked(item));
  if (item.blocked) parts.push(refused(item));
  if (item.result) parts.push(h("h3", {}, t(item.blocked ? "moderation.result_before" : "moderation.result")), h("div", { class: "wc-mod-text" }, item.result));
  else if (item.blocked) parts.push(h("p", { class: "wc-mod-quiet" }, t("moderation.result_none")));
  return h("section", { class: "wc-mod-item" }, parts);
}

/** @param {TriedText} item @param {string} id */
function message(item, id) {
  return h(
    "section",
    { class: "wc-mod-item" },
    h("div", { class: "wc-mod-item-head" }, h("span", {}, t(`moderation.by.${item.role}`)), when(item.at ?? ""), h("code", { title: t("moderation.message_id") }, id.slice(-8))),
    marked(item, item.from > 0, item.from + [...item.text].length < (item.length ?? 0)),
    item.blocked ? refused(item) : null,
  );
}

/** @param {TriedText} item */
function refused(item) {
  return h("p", { class: "wc-mod-refused" }, t("moderation.blocked_by", { rule: ruleName(item.blocked ?? "") }), item.own || language === "en" ? h("q", {}, item.sentence) : "");
}

// The text with what was found marked in it. Places are in characters, of which JavaScript's strings may take two each.
/** @param {TriedText} item @param {boolean} [before] @param {boolean} [after] */
function marked({ text, from, findings }, before = false, after = false) {
  const characters = [...text];
  const box = h("div", { class: "wc-mod-text" }, before ? "… " : "");
  let at = 0;
  for (const one of findings) {
    const start = Math.max(at, one.start - from);
    const end = Math.max(start, Math.min(one.end - from, characters.length));
    if (end === start) continue;
    const words = `${t(`moderation.action.${one.action}`)}: ${ruleName(one.rule)}${one.detail ? ` (${one.detail})` : ""}`;
    box.append(characters.slice(at, start).join(""));
    box.append(h("mark", { class: `wc-mod-is-${one.action}`, title: words }, characters.slice(start, end).join(""), h("span", { class: "wc-visually-hidden" }, ` (${words})`)));
    if (one.instead) box.append(h("ins", { title: t("moderation.instead") }, one.instead));
    at = end;
  }
  box.append(characters.slice(at).join(""), after ? " …" : "");
  return box;
}
