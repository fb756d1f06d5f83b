// About a conversation: when it began, and where it was imported from, with everything the file said of it.

import { api, ApiError } from "../api.js";
import { h, iconButton, showDialog } from "../dom.js";
import { errorLine, language, t } from "../i18n.js";
import { style } from "../style.js";
import { toast } from "../toast.js";

/** @import { ListedConversation, Origin } from "../types.js" */

/** @param {ListedConversation} conversation */
export async function openInfo(conversation) {
  try {
    const [origin] = await Promise.all([originOf(conversation.id), style("import")]);
    draw(conversation, origin);
  } catch (error) {
    toast(errorLine(/** @type {ApiError} */ (error)), { kind: "error" });
  }
}

/** @param {string} id @returns {Promise<Origin | null>} */
async function originOf(id) {
  try {
    return await api.get(`api/conversations/${id}/origin`);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/** @param {ListedConversation} conversation @param {Origin | null} origin */
function draw(conversation, origin) {
  const at = (/** @type {string} */ time) => new Date(time).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
  /** @type {[string, string][]} */
  const facts = [
    [t("info.created"), at(conversation.created_at)],
    [t("info.updated"), at(conversation.updated_at)],
  ];
  if (origin) facts.push([t("info.imported"), t("info.imported_from", { name: origin.name, when: at(origin.at) })]);
  const details = origin && Object.keys(origin.details).length > 0 && h("details", { open: true }, h("summary", {}, t("info.details")), h("pre", { tabindex: "0" }, JSON.stringify(origin.details, null, 2)));
  const dialog = showDialog(
    "wc-chat-info",
    t("info.title"),
    h("div", { class: "wc-dialog-head" }, h("h2", { dir: "auto" }, conversation.title || t("app.untitled")), iconButton("close", t("app.close"), () => dialog.close())),
    h("dl", {}, facts.map(([name, words]) => h("div", {}, h("dt", {}, name), h("dd", {}, words)))),
    details,
  );
}
