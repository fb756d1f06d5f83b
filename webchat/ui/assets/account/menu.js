// What the menu offers about the person who uses the page.

import { connection } from "../connection.js";
import { t } from "../i18n.js";
import { signInAddress, signOut } from "./leaving.js";

/** @import { MenuItem } from "../dom.js" */

// At the top: who this is, and their account; of those who did not sign in, what they may choose and their data.
/** @returns {MenuItem[]} */
export function accountItems() {
  const { person } = connection.me;
  return [...(person ? [{ heading: person.name }] : []), { label: accountTitle(), icon: "persona", onclick: showAccount }];
}

const accountTitle = () => t(connection.me.person ? "account.title" : "account.preferences");

// At the end: out, or in.
/** @returns {MenuItem[]} */
export function signingItems() {
  const { person, sign_in: offered } = connection.me;
  if (person) return ["-", { label: t("account.sign_out"), icon: "leave", onclick: () => signOut(connection.me) }];
  return offered ? ["-", { label: t("account.sign_in"), icon: "enter", onclick: () => location.assign(signInAddress()) }] : [];
}

async function showAccount() {
  const { openAccount } = await import("./sheet.js");
  openAccount();
}
