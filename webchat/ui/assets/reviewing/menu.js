// What the menu offers a reviewer, as long as there is a queue for them.

import { connection } from "../connection.js";
import { t } from "../i18n.js";

/** @import { MenuItem } from "../dom.js" */

/** @returns {MenuItem[]} */
export function reviewItems() {
  return connection.me.reviews ? [{ label: t("review.menu"), icon: "check", onclick: show }] : [];
}

async function show() {
  const { openReviews } = await import("./sheet.js");
  openReviews();
}
