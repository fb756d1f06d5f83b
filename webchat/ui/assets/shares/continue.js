// "/?copy=<id>": somebody who reads a share goes on with it in a chat of their own.

import { api } from "../api.js";
import { ask } from "../ask.js";
import { h, showDialog } from "../dom.js";
import { errorLine, t } from "../i18n.js";
import { toast } from "../toast.js";

// Gives the id of the new chat, or null. Any site can send somebody here, so nothing is copied unasked.
/** @param {string} id of the share @returns {Promise<string | null>} */
export async function continueShare(id) {
  const wanted = await ask({ title: t("shares.continue"), words: t("shares.continue_words"), yes: t("share.copy") });
  if (!wanted) return null;
  try {
    return (await api.post(`api/shares/${id}/copy`, {})).id;
  } catch (error) {
    if (error.code === "share_locked") return askPassword(id);
    toast(errorLine(error), { kind: "error", seconds: 20 });
    return null;
  }
}

/** @param {string} id @returns {Promise<string | null>} */
function askPassword(id) {
  return new Promise((resolve) => {
    const password = h("input", { type: "password", class: "wc-input", autocomplete: "off", maxlength: "200", "aria-label": t("share.password") });
    const problem = h("p", { class: "wc-danger", role: "alert" });
    const form = h("form", { onsubmit: submit }, h("h2", {}, t("share.locked")), h("p", {}, t("share.locked_words")), password, problem, h("button", { class: "wc-button wc-primary" }, t("share.copy")));
    const dialog = showDialog("wc-copy", t("share.locked"), form);
    dialog.addEventListener("close", () => resolve(null));
    password.focus();

    /** @param {SubmitEvent} event */
    async function submit(event) {
      event.preventDefault();
      try {
        const { id: made } = await api.post(`api/shares/${id}/copy`, { password: password.value });
        resolve(made);
        dialog.close();
      } catch (error) {
        problem.textContent = errorLine(error);
      }
    }
  });
}
