// Views of one thing, one at a time: a row of tabs and the panel under it.

import { h } from "./dom.js";
import { language } from "./i18n.js";
import { style } from "./style.js";

/** @typedef {{ name: string, label: string, count?: number, build(panel: HTMLElement): Node }} Tab */

// name: of the whole, for ids. tabs: {name, label, count?, build(panel)}; a panel is built when it is first looked at, and
// kept. Resolves to {elements} when its style is there.
/** @param {string} name @param {string} label @param {Tab[]} tabs */
export async function tabbed(name, label, tabs) {
  await style("tabs");
  /** @param {string} tab */
  const id = (tab) => `wc-${name}-${tab}`;
  const panels = tabs.map((tab) => h("div", { class: "wc-tab-panel", id: id(tab.name), role: "tabpanel", "aria-labelledby": `${id(tab.name)}-tab`, hidden: true }));
  const buttons = tabs.map((tab) =>
    h(
      "button",
      { type: "button", class: "wc-tab", id: `${id(tab.name)}-tab`, role: "tab", "aria-controls": id(tab.name), onclick: () => show(tabs.indexOf(tab)) },
      tab.count === undefined ? tab.label : `${tab.label} `, // the space parts the two where they are read out
      tab.count === undefined ? null : h("span", { class: "wc-tab-count" }, tab.count.toLocaleString(language)),
    ),
  );
  /** @param {number} chosen */
  const show = (chosen) => {
    buttons.forEach((button, index) => {
      button.setAttribute("aria-selected", String(index === chosen));
      button.tabIndex = index === chosen ? 0 : -1;
      panels[index].hidden = index !== chosen;
    });
    if (!panels[chosen].firstChild) panels[chosen].append(tabs[chosen].build(panels[chosen]));
  };
  const row = h("div", { class: "wc-tabbar", role: "tablist", "aria-label": label }, buttons);
  row.addEventListener("keydown", (event) => {
    const at = buttons.findIndex((button) => button === document.activeElement);
    const next = new Map([["ArrowRight", at + 1], ["ArrowLeft", at - 1], ["Home", 0], ["End", -1]]).get(event.key);
    if (next === undefined) return;
    event.preventDefault();
    const index = (next + buttons.length) % buttons.length;
    show(index);
    buttons[index].focus();
  });
  show(0);
  return { elements: [row, ...panels] };
}
