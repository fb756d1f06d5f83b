// What the menu offers a tester.

import { connection } from "../connection.js";
import { t } from "../i18n.js";

/** @import { MenuItem } from "../dom.js" */

/** @returns {MenuItem[]} */
export function testerItems() {
  const { link } = connection;
  if (!link) return [];
  return [{ heading: link.name || t("tester.invitation") }, { label: t("tester.handover"), icon: "phone", onclick: openHandover }];
}

async function openHandover() {
  const { showHandover } = await import("./handover.js");
  await showHandover();
}
