// What menus offer about sharing a chat.

import { connection } from "../connection.js";
import { t } from "../i18n.js";

/** @import { MenuItem } from "../dom.js" */

/** @param {string | null} id of a chat @returns {MenuItem[]} */
export function shareItems(id) {
  if (id === null || (connection.me.shares ?? "off") === "off") return [];
  return [{ label: t("shares.menu"), icon: "share", onclick: () => show(id) }];
}

/** @param {string} id */
async function show(id) {
  const { openShare } = await import("./dialog.js");
  openShare(id);
}
