// All chats of a person at once: as a file, into the trash, or gone for good.

import { api } from "../api.js";
import { ask } from "../ask.js";
import { bus } from "../bus.js";
import { h, icon } from "../dom.js";
import { download, FORMATS, inFormat } from "../download.js";
import { drafts } from "../drafts.js";
import { errorLine, t } from "../i18n.js";
import { tell } from "../sidebar/deeds.js";
import { toast } from "../toast.js";

// onDeleted: called when the chats are gone.
/** @param {() => void} onDeleted */
export function yourChats(onDeleted) {
  /** @param {string} format */
  const asFile = (format) => h("button", { type: "button", class: "wc-button", onclick: () => download("api/export", format) }, icon("download"), inFormat("export.all", format));
  const trash = h("button", { type: "button", class: "wc-button wc-danger", onclick: () => remove(false) }, t("account.delete_all"));
  const end = h("button", { type: "button", class: "wc-button wc-danger", onclick: () => remove(true) }, t("account.end_all"));

  /** @param {boolean} forGood */
  async function remove(forGood) {
    trash.disabled = end.disabled = true;
    try {
      if (!(await confirmed(forGood))) return;
      const { conversations } = await api.delete(`api/conversations?permanently=${Number(forGood)}`);
      if (forGood) drafts.discardChats();
      bus.emit("emptied");
      tell("deleted", "");
      onDeleted();
      toast(t("account.deleted", { count: conversations }));
    } catch (error) {
      toast(errorLine(error), { kind: "error" });
    } finally {
      trash.disabled = end.disabled = false;
    }
  }

  return [
    h("div", { class: "wc-account-buttons" }, FORMATS.map(asFile)),
    h("div", { class: "wc-account-buttons wc-account-ending" }, trash, end),
  ];
}

// What goes, and whether it can be undone.
/** @param {boolean} forGood */
async function confirmed(forGood) {
  if (forGood) return ask({ title: t("account.end_all_title"), words: t("account.end_all_words"), yes: t("account.end_all"), danger: true });
  const { days } = await api.get("api/trash", { limit: 1 });
  const words = t(days === 0 ? "account.delete_all_soon" : "account.delete_all_words", { count: days });
  return ask({ title: t("account.delete_all_title"), words, yes: t("account.delete_all"), danger: true });
}
