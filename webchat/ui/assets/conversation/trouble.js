// In a conversation that has not begun, when its model cannot answer: what happened, what to do, and a way to try again.

import { h } from "../dom.js";
import { errorText } from "../i18n.js";
import { icon } from "./icons.js";

/** @import { Model, Translate } from "../types.js" */

/** info: of the model. retry: resolves when the model was tried again; what became of it is drawn by who shows this. */
/** @param {Model} info @param {Translate} t @param {() => Promise<void>} retry */
export function trouble({ name, unlisted, failure, status }, t, retry) {
  const { message, cure, detail } = failure ? errorText(failure) : { message: "", cure: "", detail: "" };
  const title = unlisted ? t("trouble.no_model") : t("trouble.model", { model: name });
  const words = h("span", {}, t("transcript.retry"));
  const again = h("button", { type: "button", class: "wc-button", onclick: tryAgain }, icon("retry"), words);
  async function tryAgain() {
    again.disabled = true;
    words.textContent = t("trouble.trying");
    await retry();
    again.disabled = false;
    words.textContent = t("transcript.retry");
  }
  return h(
    "section",
    { class: "wc-trouble", role: "alert" },
    h("span", { class: "wc-error-icon" }, icon("alert")),
    h("h2", {}, title),
    h("p", {}, message),
    cure && h("p", { class: "wc-muted" }, cure),
    ![message, `${message} ${cure}`, ""].includes(detail) && h("p", { class: "wc-error-detail" }, detail),
    status === "unfit" ? null : again, // a model that is too large stays that
  );
}
