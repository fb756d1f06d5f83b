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

/** Open the sheet for a reply's record. */
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

async function fill(body, answer, sent, status) {
  const tabs = [
    { name: "prompt", build: () => (sent.kind === null ? nothing(sent.why, answer.message) : promptView(sent)) },
    sent.tokens && { name: "tokens", count: sent.tokens.ids.length, build: (panel) => tokensView(sent, panel) },
    sent.body && { name: "request", build: () => requestView(sent) },
    { name: "origin", build: () => originView(answer, sent) },
  ].filter(Boolean);
  tabs.forEach((tab) => (tab.label = t(`inspect.tab.${tab.name}`)));
  const copies = [
    ["curl", sent.curl],
    ["python", sent.python],
    ["prompt", sent.kind === null ? null : (sent.rendered ?? JSON.stringify(sent.messages.map(({ role, content }) => ({ role, content })), null, 2))],
  ].filter(([, text]) => text);
  const foot = copies.length && h("div", { class: "wc-inspect-foot" }, copies.map(([name, text]) => copyButton(name, text, status)));
  const { elements } = await tabbed("inspect", t("inspect.title"), tabs);
  body.replaceChildren(...elements, ...(foot ? [foot] : []));
}

// why: the server's word for it.
function nothing(why, { failure }) {
  const cause = why === "unsent" && failure ? errorText(failure).message : "";
  const hint = has(`inspect.why.${why}.hint`) ? t(`inspect.why.${why}.hint`) : cause;
  return h("div", { class: "wc-inspect-note" }, h("p", {}, t(`inspect.why.${why}`)), hint && h("p", { class: "wc-muted" }, hint));
}

function copyButton(name, text, status) {
  const copy = async () => {
    if (!(await copyText(text))) return;
    status.textContent = t("transcript.copied");
    showCopied(button, t("transcript.copied"));
  };
  const button = h("button", { type: "button", class: "wc-button", onclick: copy }, t(`inspect.copy.${name}`));
  return button;
}

function requestView({ url, body }) {
  const code = h("code", { "data-lang": "json" }, JSON.stringify(body, null, 2));
  const view = h("div", { class: "wc-md wc-request" }, h("p", { class: "wc-request-line" }, h("b", {}, "POST"), url && ` ${url}`), h("pre", { tabindex: "0", "aria-label": t("inspect.tab.request") }, code));
  upgrade(view, view);
  return view;
}

function originView(answer, { templates, masked_count: masked }) {
  const named = (template) => template && t("inspect.version_of", { name: template.name, version: template.version });
  const chat = templates?.chat;
  const rows = [
    ["persona", named(templates?.persona)],
    ["user_template", named(templates?.user)],
    ["chat_template", chat && (chat.number === null ? sourceWords(chat.source) : t("inspect.version_of", { name: sourceWords(chat.source), version: chat.number }))],
    ["masked", masked || null],
  ].filter(([, value]) => value);
  const all = infoRows(answer, t, language);
  const after = all.findIndex(([label]) => label === t("transcript.info.template")) + 1;
  all.splice(after, 0, ...rows.map(([key, value]) => [t(`inspect.${key}`), String(value)]));
  const list = infoList(all);
  list.classList.add("wc-origin");
  return list;
}

// "model", "file", "override", or a word with an explanation behind a colon.
function sourceWords(source) {
  const key = `inspect.source.${source.split(":")[0]}`;
  return has(key) ? t(key) : source;
}
