// The operator's page of moderation: what is on, what it would do, what it did.

import { t } from "../i18n.js";
import { openSheet } from "../sheet.js";
import { style } from "../style.js";
import { tabbed } from "../tabs.js";
import { countsTab } from "./counts.js";
import { logTab } from "./log.js";
import { rulesTab } from "./rules.js";
import { tryTab } from "./tried.js";

/** @import { Me } from "../types.js" */
/** @import { Page, Wish } from "./parts.js" */
/** @typedef {{ element: HTMLElement, show?(wish?: Wish): void }} View */

/** @type {Record<string, (page: Page) => View>} */
const TABS = { rules: rulesTab, try: tryTab, log: logTab, counts: countsTab };

// me: the answer of api/me, to know which conversations are one's own.
/** @param {Partial<Me>} me */
export async function openModeration(me) {
  await Promise.all(["moderation", "moderation-try", "moderation-log"].map(style));
  if (document.querySelector(".wc-moderation")) return;
  /** @type {Record<string, View>} */
  const made = {};
  /** @type {Page} */
  const page = { me, show: () => {}, close: () => {} };
  const tab = (/** @type {string} */ name) => ({
    name,
    label: t(`moderation.tab.${name}`),
    build: () => (made[name] = TABS[name](page)).element,
    shown: (/** @type {Wish} */ wish) => made[name].show?.(wish),
  });
  const tabs = await tabbed("moderation", t("moderation.title"), Object.keys(TABS).map(tab));
  // A tab, with what is wished of it: rules to try, a filter of the log.
  page.show = tabs.choose;
  page.close = openSheet("moderation", { title: t("moderation.title"), body: tabs.elements }).close;
  tabs.elements[0].querySelector("[aria-selected=true]")?.focus({ preventScroll: true });
}
