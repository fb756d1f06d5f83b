// What a reply's model was sent: messages, tokens or request, and where the reply comes from.

import { copyText, showCopied } from "../copying.js";
import { h } from "../dom.js";
import { errorText, has, language, t } from "../i18n.js";
import { openSheet } from "../sheet.js";
import { style } from "../style.js";
import { tabbed } from "../tabs.js";
import { upgrade } from "../conversation/extras.js";
import { infoList, infoRows } from "../conversation/info.js";
import { promptView } from "./prompt.js";
import { tokensView } from "./tokens.js";

/** @import { Inspection, Message, MessageDetails, ShownMessage, TemplateUse } from "../types.js" */
/** @import { Tab } from "../tabs.js" */
/** @import { Context } from "../transcript.js" */

/** Open the sheet for a reply's record. */
/** @param {ShownMessage} record @param {Pick<Context, "api">} ctx */
export async function openInspect(record, { api }) {
  const styled = style("inspect");
  const body = h("div", { class: "wc-inspect-body" });
  const status = h("div", { class: "wc-visually-hidden", role: "status" });
  await styled;
  const { dialog } = openSheet("inspect", { title: t("inspect.title"), body });
  dialog.append(status);
  const load = async () => {
    body.replaceChildren(h("p", { class: "wc-inspect-note" }, t("inspect.loading")));
    try {
      const [answer, sent] = await Promise.all([api.get(`api/messages/${record.id}`), api.get(`api/messages/${record.id}/inspect`)]);
      await fill(body, answer, sent, status);
    } catch (error) {
      if (!error.code) throw error;
      const { message, cure } = errorText(error);
      const again = h("button", { type: "button", class: "wc-button", onclick: load }, t("app.retry"));
      body.replaceChildren(h("div", { class: "wc-inspect-note", role: "alert" }, h("p", {}, message), h("p", { class: "wc-muted" }, cure), again));
    }
  };
  await load();
}

/** @param {HTMLElement} body @param {MessageDetails} answer @param {Inspection} sent @param {HTMLElement} status */
async function fill(body, answer, sent, status) {
  const { tokens } = sent;
  const label = (/** @type {string} */ name) => t(`inspect.tab.${name}`);
  /** @type {(Tab | null)[]} */
  const all = [
    { name: "prompt", label: label("prompt"), build: () => (sent.kind === null ? nothing(sent.why, answer.message) : promptView(sent)) },
    tokens && { name: "tokens", label: label("tokens"), count: tokens.ids.length, build: (panel) => tokensView(tokens, sent.parts ?? [], panel) },
    sent.body && { name: "request", label: label("request"), build: () => requestView(sent) },
    { name: "origin", label: label("origin"), build: () => originView(answer, sent) },
  ];
  /** @type {[string, string | null][]} */
  const texts = [
    ["curl", sent.curl],
    ["python", sent.python],
    ["prompt", sent.kind === null ? null : (sent.rendered ?? JSON.stringify(sent.messages.map(({ message_id: _id, ...message }) => message), null, 2))],
  ];
  const copies = texts.flatMap(([name, text]) => (text ? [copyButton(name, text, status)] : []));
  const foot = copies.length && h("div", { class: "wc-sheet-foot wc-inspect-foot" }, copies);
  const { elements } = await tabbed("inspect", t("inspect.title"), all.filter((tab) => tab !== null));
  body.replaceChildren(...elements, ...(foot ? [foot] : []));
}

// why: the server's word for it.
/** @param {Inspection["why"]} why @param {Message} message */
function nothing(why, { failure }) {
  const cause = why === "unsent" && failure ? errorText(failure).message : "";
  const hint = has(`inspect.why.${why}.hint`) ? t(`inspect.why.${why}.hint`) : cause;
  return h("div", { class: "wc-inspect-note" }, h("p", {}, t(`inspect.why.${why}`)), hint && h("p", { class: "wc-muted" }, hint));
}

/** @param {string} name @param {string} text @param {HTMLElement} status */
function copyButton(name, text, status) {
  const copy = async () => {
    if (!(await copyText(text))) return;
    status.textContent = t("transcript.copied");
    showCopied(button, t("transcript.copied"));
  };
  const button = h("button", { type: "button", class: "wc-button", onclick: copy }, t(`inspect.copy.${name}`));
  return button;
}

/** @param {Inspection} sent */
function requestView({ url, body }) {
  const code = h("code", { "data-lang": "json" }, JSON.stringify(body, null, 2));
  const view = h("div", { class: "wc-md wc-request" }, h("p", { class: "wc-request-line" }, h("b", {}, "POST"), url && ` ${url}`), h("pre", { tabindex: "0", "aria-label": t("inspect.tab.request") }, code));
  upgrade(view, view);
  return view;
}

/** @param {MessageDetails} answer @param {Inspection} sent */
function originView(answer, { templates, masked_count: masked }) {
  const named = (/** @type {TemplateUse | null} */ template) => template && t("inspect.version_of", { name: template.name, version: template.version });
  const chat = templates?.chat;
  /** @type {[string, string | number | null][]} */
  const rows = [
    ["persona", named(templates?.persona)],
    ["user_template", named(templates?.user)],
    ["chat_template", chat && (chat.number === null ? sourceWords(chat.source) : t("inspect.version_of", { name: sourceWords(chat.source), version: chat.number }))],
    ["masked", masked || null],
  ];
  const all = infoRows(answer, t, language);
  const after = all.findIndex(([label]) => label === t("transcript.info.template")) + 1;
  all.splice(after, 0, ...rows.filter(([, value]) => value).map(([key, value]) => /** @type {[string, string]} */ ([t(`inspect.${key}`), String(value)])));
  const list = infoList(all);
  list.classList.add("wc-origin");
  return list;
}

// "model", "file", "override", or a word with an explanation behind a colon.
/** @param {string} source */
function sourceWords(source) {
  const key = `inspect.source.${source.split(":")[0]}`;
  return has(key) ? t(key) : source;
}
