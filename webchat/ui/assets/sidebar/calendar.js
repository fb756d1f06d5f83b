// Names the groups of the list of conversations. Without a document, so that it can be tested by itself.

/** @import { ListedConversation } from "../types.js" */

// (iso) => the name of the group a time belongs to, seen from `now`.
/** @param {Date} now @param {string} language @param {(key: string) => string} t @returns {(iso: string) => string} */
export function calendar(now, language, t) {
  const day = (/** @type {number} */ back) => new Date(now.getFullYear(), now.getMonth(), now.getDate() - back);
  const [today, yesterday, week] = [day(0), day(1), day(7)];
  const month = new Intl.DateTimeFormat(language, { month: "long" });
  const monthOfYear = new Intl.DateTimeFormat(language, { month: "long", year: "numeric" });
  /** @type {Map<number, string>} */
  const months = new Map(); // formatting is slow, and there are few months
  return (iso) => {
    const at = new Date(iso);
    if (at >= today) return t("sidebar.today");
    if (at >= yesterday) return t("sidebar.yesterday");
    if (at >= week) return t("sidebar.week");
    const key = 12 * at.getFullYear() + at.getMonth();
    const name = months.get(key) ?? (at.getFullYear() === now.getFullYear() ? month : monthOfYear).format(at);
    months.set(key, name);
    return name;
  };
}

// Pinned ones first, then by last change, newest first: the server's order.
/** @param {ListedConversation} a @param {ListedConversation} b */
export function before(a, b) {
  if (a.pinned !== b.pinned) return a.pinned ? -1 : 1;
  if (a.updated_at !== b.updated_at) return a.updated_at > b.updated_at ? -1 : 1;
  return a.id > b.id ? -1 : 1;
}
