// "Share…": what of a chat is shown to whoever has the link, and for how long; below, the links there are.

import { api } from "../api.js";
import { connection } from "../connection.js";
import { copyText, showCopied } from "../copying.js";
import { h } from "../dom.js";
import { errorLine, t } from "../i18n.js";
import { field, openSheet, setProblem } from "../sheet.js";
import { style } from "../style.js";
import { Choice } from "./choice.js";
import { address, ShareList } from "./list.js";

/** @import { SharedChat } from "../types.js" */

const DAYS = ["1", "7", "30", ""]; // until a link ends; "": never
const LEAST = 4; // characters of a password

let open = false;

/** @param {string} id of the chat */
export async function openShare(id) {
  if (open) return;
  open = true;
  await style("shares");
  const list = new ShareList(id);
  const body = h("div", { class: "wc-shares-body" }, form(id, (share) => list.add(share)), list.element);
  openSheet("shares", { title: t("shares.title"), body, onClose: () => (open = false) });
  list.load();
}

/** @param {string} id @param {(share: SharedChat) => void} onMade */
function form(id, onMade) {
  const forced = connection.me.shares === "masked";
  const choice = new Choice(id);
  const masked = box("masked", { checked: forced, disabled: forced }, forced ? t("shares.masked_always") : t("shares.masked_hint"));
  const reasoning = box("reasoning");
  const models = box("models", { checked: true });
  const copy = box("allow_copy");
  const preview = box("preview", {}, t("shares.preview_hint"));
  const title = h("input", { type: "text", maxlength: "200", dir: "auto" });
  const days = h("select", {}, DAYS.map((value) => h("option", { value, selected: value === "30" }, t(`shares.days.${value || "never"}`))));
  const password = h("input", { type: "password", autocomplete: "new-password", maxlength: "200", oninput: () => setProblem(password, "") });
  const submit = h("button", { class: "wc-button wc-primary" }, t("shares.make"));
  const result = h("div", { class: "wc-shares-result", role: "status" });
  const problem = h("p", { class: "wc-danger", role: "alert", hidden: true });

  /** @param {SubmitEvent} event */
  async function make(event) {
    event.preventDefault();
    if (password.value && password.value.length < LEAST) {
      setProblem(password, t("shares.password_short", { count: LEAST }));
      return password.focus();
    }
    submit.disabled = true;
    problem.hidden = true;
    try {
      const share = await api.post("api/shares", {
        conversation_id: id,
        messages: choice.chosen,
        title: title.value.trim(),
        reasoning: reasoning.input.checked,
        models: models.input.checked,
        masked: masked.input.checked,
        days: days.value ? Number(days.value) : null,
        password: password.value || null,
        allow_copy: copy.input.checked,
        preview: preview.input.checked,
      });
      password.value = "";
      result.replaceChildren(made(share));
      result.querySelector("button")?.focus();
      onMade(share);
    } catch (error) {
      problem.textContent = errorLine(error);
      problem.hidden = false;
    } finally {
      submit.disabled = false;
    }
  }

  return h(
    "form",
    { class: "wc-shares-form", novalidate: true, onsubmit: make },
    h("p", { class: "wc-muted" }, t("shares.lead")),
    field(t("shares.title_of"), title, t("shares.title_hint")),
    choice.element,
    h("fieldset", {}, h("legend", {}, t("shares.shown")), models.element, reasoning.element, masked.element),
    h("div", { class: "wc-shares-pair" }, field(t("shares.days"), days), field(t("shares.password"), password, t("shares.password_hint"))),
    h("fieldset", {}, h("legend", {}, t("shares.readers")), copy.element, preview.element),
    problem,
    submit,
    result,
  );
}

// A box to tick, and what it means.
/** @param {string} name @param {Record<string, unknown>} [attributes] */
function box(name, attributes = {}, hint = "") {
  const input = h("input", { type: "checkbox", name, ...attributes });
  const words = h("span", {}, t(`shares.${name}`), hint && h("span", { class: "wc-shares-hint" }, hint));
  return { input, element: h("label", { class: "wc-shares-box" }, input, words) };
}

/** @param {SharedChat} share */
function made(share) {
  const link = h("input", { type: "text", readonly: true, value: address(share), "aria-label": t("shares.link"), onfocus: (event) => event.currentTarget.select() });
  const copy = h("button", { type: "button", class: "wc-button wc-primary", onclick: async () => (await copyText(link.value)) && showCopied(copy, t("transcript.copied")) }, t("shares.copy_link"));
  return h("div", { class: "wc-shares-made" }, link, copy);
}
