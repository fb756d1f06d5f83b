// The operator's page of moderation: what is on, what it would do, what it did.

import { h } from "../dom.js";
import { t } from "../i18n.js";
import { openSheet } from "../sheet.js";
import { style } from "../style.js";
import { mountCounts } from "./counts.js";
import { mountLog } from "./log.js";
import { mountRules } from "./rules.js";
import { mountTry } from "./tried.js";

const TABS = { rules: mountRules, try: mountTry, log: mountLog, counts: mountCounts };

// me: the answer of api/me, to know which conversations are one's own.
export async function openModeration(me) {
  if (document.querySelector(".wc-moderation")) return;
  await style("moderation");
  const tabs = new Map();
  const list = h("div", { class: "wc-mod-tabs", role: "tablist", "aria-label": t("moderation.title"), onkeydown: onKey });
  const panels = h("div", { class: "wc-mod-panels" });
  const page = { me, show, sheet: null };
  for (const [name, mount] of Object.entries(TABS)) {
    const panel = h("div", { class: `wc-mod-panel wc-mod-${name}`, id: `wc-mod-${name}`, role: "tabpanel", "aria-labelledby": `wc-mod-tab-${name}`, hidden: true });
    const tab = h("button", { type: "button", id: `wc-mod-tab-${name}`, role: "tab", "aria-controls": panel.id, onclick: () => show(name) }, t(`moderation.tab.${name}`));
    list.append(tab);
    panels.append(panel);
    tabs.set(name, { tab, panel, mount });
  }

  // Shows a tab, with `wish` for it: rules to try, a filter of the log. What is there already stays as it was left.
  function show(name, wish) {
    for (const [other, { tab, panel }] of tabs) {
      tab.setAttribute("aria-selected", String(other === name));
      tab.tabIndex = other === name ? 0 : -1;
      panel.hidden = other !== name;
    }
    const one = tabs.get(name);
    one.shown ??= one.mount(one.panel, page);
    one.shown.show?.(wish);
  }

  function onKey(event) {
    const names = [...tabs.keys()];
    const at = names.findIndex((name) => tabs.get(name).tab === document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: names.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const name = names.at(to % names.length);
    show(name);
    tabs.get(name).tab.focus();
  }

  page.sheet = openSheet("moderation", { title: t("moderation.title"), body: [list, panels] });
  show("rules");
  tabs.get("rules").tab.focus({ preventScroll: true });
}
