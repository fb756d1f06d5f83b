// What was decided, newest first: by rule, stage, action or conversation, and as a file.

import { api } from "../api.js";
import { h, icon } from "../dom.js";
import { t } from "../i18n.js";
import { actionBadge, ACTIONS, choice, copy, failed, ruleName, STAGES, stageName, when } from "./parts.js";

/** @import { Child } from "../dom.js" */
/** @import { ModerationDecision } from "../types.js" */
/** @import { Option, Page, Wish } from "./parts.js" */

const PAGE = 50;
const COLUMNS = ["when", "rule", "action", "stage", "where", "detail"];

/** @param {Page} page */
export function logTab(page) {
  /** @type {string | null} */
  let next = null;
  let asked = 0;
  /** @type {Option} */
  const every = ["", t("moderation.all")];
  const rule = choice(t("moderation.column.rule"), [every], { onchange: () => read() });
  const stage = choice(t("moderation.column.stage"), [every, ...STAGES.map((name) => /** @type {Option} */ ([name, stageName(name)]))], { onchange: () => read() });
  const action = choice(t("moderation.column.action"), [every, ...ACTIONS.map((name) => /** @type {Option} */ ([name, t(`moderation.action.${name}`)]))], { onchange: () => read() });
  const conversation = h("input", { type: "search", maxlength: "64", autocomplete: "off", spellcheck: "false", placeholder: t("moderation.conversation_id"), "aria-label": t("moderation.column.where"), onchange: () => read() });
  const rows = h("tbody");
  const table = h("table", { class: "wc-mod-table" }, h("thead", {}, h("tr", {}, COLUMNS.map((name) => h("th", { scope: "col" }, t(`moderation.column.${name}`))))), rows);
  const more = h("button", { type: "button", class: "wc-button", onclick: () => read({ on: true }) }, t("moderation.more"));
  const state = h("div", { class: "wc-mod-state", role: "status" });
  const file = (/** @type {string} */ format, /** @type {string} */ words) => h("button", { type: "button", class: "wc-button", onclick: () => save(format) }, icon("download"), words);
  const labelled = (/** @type {string} */ words, /** @type {HTMLElement} */ control) => h("label", { class: "wc-field wc-mod-filter" }, h("span", {}, words), control);
  const element = h(
    "div",
    { class: "wc-mod-log" },
    h(
      "div",
      { class: "wc-mod-bar" },
      labelled(t("moderation.column.rule"), rule),
      labelled(t("moderation.column.action"), action),
      labelled(t("moderation.column.stage"), stage),
      labelled(t("moderation.column.where"), conversation),
      h("div", { class: "wc-mod-row wc-mod-files" }, file("csv", t("moderation.csv")), file("jsonl", t("moderation.jsonl"))),
    ),
    h("div", { class: "wc-mod-scroll", tabindex: "0", role: "region", "aria-label": t("moderation.tab.log") }, table),
    state,
    h("div", { class: "wc-mod-more" }, more),
  );
  nameRules();

  const filter = () => ({ rule: rule.value, stage: stage.value, action: action.value, conversation: conversation.value.trim() });

  // The rules there are to choose from: those that decided anything, and the one asked for.
  async function nameRules() {
    const { items } = await api.get("api/moderation/counts", { days: 3650 }).catch(() => ({ items: [] }));
    offer(items.map((one) => one.rule));
  }

  /** @param {string[]} more */
  function offer(more) {
    const names = [...new Set([...more, ...[...rule.options].map((one) => one.value)])].filter(Boolean).sort();
    const chosen = rule.value;
    rule.replaceChildren(...[every, ...names.map((name) => /** @type {Option} */ ([name, ruleName(name)]))].map(([value, words]) => h("option", { value }, words)));
    rule.value = chosen;
  }

  async function read({ on = false } = {}) {
    const mine = (asked += 1);
    more.disabled = true;
    try {
      const found = await api.get("api/moderation/decisions", { ...filter(), limit: PAGE, cursor: on ? next : null });
      if (mine !== asked) return;
      next = found.next;
      const made = found.items.map((one) => row(one, page));
      if (on) rows.append(...made);
      else rows.replaceChildren(...made);
      const some = rows.childElementCount > 0;
      const filtered = Object.values(filter()).some(Boolean);
      table.hidden = !some;
      state.replaceChildren(some ? "" : h("p", { class: "wc-mod-none" }, t(filtered ? "moderation.none_such" : "moderation.none")));
      if (on) made[0]?.querySelector("a, button")?.focus();
    } catch (error) {
      if (mine !== asked) return;
      state.replaceChildren(failed(error, () => read({ on })));
    }
    more.disabled = false;
    if (more.parentElement) more.parentElement.hidden = next === null;
  }

  /** @param {string} format */
  function save(format) {
    const link = h("a", { href: api.url("api/moderation/decisions/export", { format, ...filter() }), download: "" });
    element.append(link);
    link.click();
    link.remove();
  }

  return {
    element,
    /** @param {Wish} [wish] */
    show(wish) {
      if (wish?.rule) {
        offer([wish.rule]);
        nameRules();
        rule.value = wish.rule;
        [stage.value, action.value, conversation.value] = ["", wish.action ?? "", ""];
      }
      read();
    },
  };
}

/** @param {ModerationDecision} one @param {Page} page */
function row(one, page) {
  /** @param {string} name @param {...Child} children */
  const cell = (name, ...children) => h("td", { class: `wc-mod-${name}` }, h("div", {}, ...children));
  const detail = [one.model && h("span", {}, one.model), one.detail && h("span", {}, one.detail), one.content && kept(one)].filter(Boolean);
  const maker = one.moderator !== one.rule && !one.rule.startsWith(`${one.moderator}.`) && one.moderator;
  return h(
    "tr",
    {},
    cell("when", when(one.at)),
    cell("of-rule", h("span", { class: "wc-mod-rule" }, ruleName(one.rule)), maker && h("span", { class: "wc-mod-quiet" }, maker)),
    cell("action", actionBadge(one.action)),
    cell("stage", stageName(one.stage)),
    cell("where", place(one, page)),
    detail.length ? cell("detail", ...detail) : h("td", { class: "wc-mod-detail wc-mod-nothing" }),
  );
}

// The text around, where it is kept.
/** @param {ModerationDecision} one */
function kept(one) {
  return h("details", {}, h("summary", {}, t("moderation.content")), h("div", { class: "wc-mod-text" }, one.content));
}

// One's own conversation is opened; of another's there is the id, to be copied.
/** @param {ModerationDecision} one @param {Page} page */
function place({ conversation_id: id, message_id: message, owner_id: owner }, page) {
  if (!id) return h("span", { class: "wc-mod-quiet" }, t("moderation.new_conversation"));
  if (owner === page.me.owner?.id) {
    const href = api.url("", { c: id, m: message });
    const open = (/** @type {MouseEvent} */ event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      page.close();
      history.pushState({}, "", href);
      window.dispatchEvent(new PopStateEvent("popstate")); // the shell goes where the address says
    };
    return h("a", { href, onclick: open }, t("moderation.open"));
  }
  return h("button", { type: "button", class: "wc-mod-id wc-mono", title: t("moderation.copy_id", { id }), "aria-label": t("moderation.copy_id", { id }), onclick: () => copy(id) }, `…${id.slice(-8)}`);
}
