// The operator's page of moderation: what is on, what it would do, what it did.

import { t } from "../i18n.js";
import { openSheet } from "../sheet.js";
import { style } from "../style.js";
import { tabbed } from "../tabs.js";
import { countsTab } from "./counts.js";
import { logTab } from "./log.js";
import { rulesTab } from "./rules.js";
import { tryTab } from "./tried.js";

const TABS = { rules: rulesTab, try: tryTab, log: logTab, counts: countsTab };

// me: the answer of api/me, to know which conversations are one's own.
export async function openModeration(me) {
  await Promise.all(["moderation", "moderation-try", "moderation-log"].map(style));
  if (document.querySelector(".wc-moderation")) return;
  const made = {};
  const page = { me };
  const tab = (name) => ({
    name,
    label: t(`moderation.tab.${name}`),
    build: () => (made[name] = TABS[name](page)).element,
    shown: (wish) => made[name].show?.(wish),
  });
  const tabs = await tabbed("moderation", t("moderation.title"), Object.keys(TABS).map(tab));
  // A tab, with what is wished of it: rules to try, a filter of the log.
  page.show = tabs.choose;
  page.sheet = openSheet("moderation", { title: t("moderation.title"), body: tabs.elements });
  tabs.elements[0].querySelector("[aria-selected=true]").focus({ preventScroll: true });
}
