// How often each rule did what, over some days.

import { api } from "../api.js";
import { h } from "../dom.js";
import { language, t } from "../i18n.js";
import { actionBadge, counted, failed, ruleName, segments } from "./parts.js";

/** @import { DecisionCount } from "../types.js" */
/** @import { Page } from "./parts.js" */

const DAYS = [7, 30, 90];

/** @param {Page} page */
export function countsTab(page) {
  let days = 30;
  let asked = 0;
  const list = h("div", { class: "wc-mod-bars", role: "status" });
  const pick = (/** @type {number} */ value) => {
    days = value;
    read();
  };
  const element = h("div", { class: "wc-mod-counts" }, h("div", { class: "wc-mod-bar" }, segments(t("moderation.range"), DAYS.map((count) => /** @type {[number, string]} */ ([count, t("moderation.days", { count })])), days, pick)), list);

  async function read() {
    const mine = (asked += 1);
    try {
      const { items } = await api.get("api/moderation/counts", { days });
      if (mine === asked) list.replaceChildren(...drawn(items, page, days));
    } catch (error) {
      if (mine === asked) list.replaceChildren(failed(error, read));
    }
  }

  return { element, show: read };
}

/** @param {DecisionCount[]} items @param {Page} page @param {number} days */
function drawn(items, page, days) {
  if (!items.length) return [h("p", { class: "wc-mod-none" }, t("moderation.none_in", { count: days }))];
  const most = Math.max(...items.map((one) => one.count));
  const sum = items.reduce((all, one) => all + one.count, 0);
  const bar = (/** @type {DecisionCount} */ one) => {
    const name = ruleName(one.rule);
    const fill = h("span", { class: `wc-mod-fill wc-mod-is-${one.action}` });
    fill.style.inlineSize = `${Math.max(1, (100 * one.count) / most)}%`;
    const label = t("moderation.show_log", { rule: name, action: t(`moderation.action.${one.action}`), count: one.count });
    return h(
      "li",
      {},
      h(
        "button",
        { type: "button", "aria-label": label, title: label, onclick: () => page.show("log", { rule: one.rule, action: one.action }) },
        h("span", { class: "wc-mod-rule" }, name),
        actionBadge(one.action),
        h("span", { class: "wc-mod-track" }, fill),
        h("span", { class: "wc-mod-number" }, one.count.toLocaleString(language)),
      ),
    );
  };
  return [h("p", { class: "wc-mod-lead" }, counted("moderation.sum", sum, { days })), h("ul", {}, items.map(bar))];
}
