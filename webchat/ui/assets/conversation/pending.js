// What waits in the outbox, as the conversation shows it: in its place among the messages, with what can be done.

import { errorLine } from "../i18n.js";
import { h } from "../dom.js";
import { icon } from "./icons.js";

export const userIdOf = ({ key }) => `pending-user-${key}`;
export const replyIdOf = ({ key }) => `pending-reply-${key}`;

/** The messages up to the one with this id; none for null, all where it is not among them. */
export function upTo(messages, id) {
  if (id === null) return [];
  const at = messages.findIndex((message) => message.id === id);
  return at < 0 ? messages : messages.slice(0, at + 1);
}

/** The records to draw: each entry stands where its turn will, in place of what it asks to see replaced. What was refused
 *  stands at the end. */
export function withPending(messages, entries) {
  const waiting = entries.filter(({ state }) => state !== "refused");
  const drawn = waiting.reduce((records, entry) => [...upTo(records, entry.under), ...recordsOf(entry)], messages);
  return [...drawn, ...entries.filter(({ state }) => state === "refused").flatMap(recordsOf)];
}

function recordsOf(entry) {
  const { ask, begun, state, under } = entry;
  const stamp = { created_at: new Date(entry.at).toISOString(), siblings: [], reasoning: "", seq: 0, rating: 0, pending: entry };
  const records = [];
  const said = typeof ask.text === "string";
  if (said) records.push({ ...stamp, id: userIdOf(entry), role: "user", parent_id: under, text: ask.text, template: ask.template, state: "complete" });
  if (state === "sending" || !said) {
    records.push({ ...stamp, text: "", ...begun, id: replyIdOf(entry), role: "assistant", parent_id: under, model: ask.model, state: state === "sending" ? "queued" : "unsent" });
  }
  return records;
}

/** Under a message that the server does not have yet: how it stands, and what its writer can do. */
export function pendingNote({ role, pending }, t) {
  const { state, why, ask } = pending;
  const said = typeof ask.text === "string";
  if (said !== (role === "user")) return null;
  if (state === "sending") return said && h("div", { class: "wc-outgoing wc-sending", role: "status" }, t("outbox.sending"));
  const button = (act, glyph, label) => h("button", { type: "button", class: "wc-wide-action", "data-act": act }, icon(glyph), t(label));
  const words = why ? t("composer.refused", { reason: errorLine(why) }) : t("outbox.unsent");
  return h(
    "div",
    { class: "wc-outgoing", role: "status" },
    h("span", { class: "wc-outgoing-why" }, icon("alert"), h("span", {}, words)),
    h("span", { class: "wc-outgoing-acts" }, button("send-again", "retry", "outbox.again"), said ? button("send-edit", "edit", "outbox.edit") : button("send-cancel", "close", "app.cancel")),
  );
}
