// What waits in the outbox, as the conversation shows it: in its place among the messages, with what can be done.

import { errorLine } from "../i18n.js";
import { h } from "../dom.js";
import { icon } from "./icons.js";

/** @import { Entry, ShownMessage, Translate } from "../types.js" */
/** @import { Glyph } from "./icons.js" */

// What the server will say of a message, as far as it is not known yet.
const BLANK = {
  author_id: null, reasoning: "", finished_at: null, finish_reason: null, failure: null, continues: null, reasoning_seconds: null, rating: 0, judged: false, seq: 0,
  siblings: [], prompt_tokens: null, completion_tokens: null, first_sent: null, masked: 0, template: null, compared: null,
};

/** @param {Entry} entry */
export const userIdOf = ({ key }) => `pending-user-${key}`;
/** @param {Entry} entry */
export const replyIdOf = ({ key }) => `pending-reply-${key}`;

/** The messages up to the one with this id; none for null, all where it is not among them. */
/** @template {{ id: string }} Shown @param {Shown[]} messages @param {string | null} id */
export function upTo(messages, id) {
  if (id === null) return [];
  const at = messages.findIndex((message) => message.id === id);
  return at < 0 ? messages : messages.slice(0, at + 1);
}

/** The records to draw: each entry stands where its turn will, in place of what it asks to see replaced. What was refused
 *  stands at the end. */
/** @param {ShownMessage[]} messages @param {Entry[]} entries @returns {ShownMessage[]} */
export function withPending(messages, entries) {
  const waiting = entries.filter(({ state }) => state !== "refused");
  const drawn = waiting.reduce((records, entry) => [...upTo(records, entry.under), ...recordsOf(entry)], messages);
  return [...drawn, ...entries.filter(({ state }) => state === "refused").flatMap(recordsOf)];
}

/** @param {Entry} entry @returns {ShownMessage[]} */
function recordsOf(entry) {
  const { ask, begun, state, under } = entry;
  const stamp = { ...BLANK, created_at: new Date(entry.at).toISOString(), conversation_id: ask.conversation_id ?? "", parent_id: under, model: ask.model ?? null, pending: entry };
  /** @type {ShownMessage[]} */
  const records = [];
  const said = typeof ask.text === "string";
  if (ask.text !== undefined) records.push({ ...stamp, id: userIdOf(entry), role: "user", text: ask.text, template: ask.template ?? null, state: "complete" });
  if (state === "sending" || !said) {
    records.push({ ...stamp, text: "", ...begun, id: replyIdOf(entry), role: "assistant", state: state === "sending" ? "queued" : "unsent" });
  }
  return records;
}

/** Under a message that the server does not have yet: how it stands, and what its writer can do. */
/** @param {string} role @param {Entry} entry @param {Translate} t */
export function pendingNote(role, { state, why, ask }, t) {
  const said = typeof ask.text === "string";
  if (said !== (role === "user")) return null;
  if (state === "sending") return said && h("div", { class: "wc-outgoing wc-sending", role: "status" }, t("outbox.sending"));
  /** @param {string} act @param {Glyph} glyph @param {string} label */
  const button = (act, glyph, label) => h("button", { type: "button", class: "wc-wide-action", "data-act": act }, icon(glyph), t(label));
  const words = why ? t("composer.refused", { reason: errorLine(why) }) : t("outbox.unsent");
  return h(
    "div",
    { class: "wc-outgoing", role: "status" },
    h("span", { class: "wc-outgoing-why" }, icon("alert"), h("span", {}, words)),
    h("span", { class: "wc-outgoing-acts" }, button("send-again", "retry", "outbox.again"), said ? button("send-edit", "edit", "outbox.edit") : button("send-cancel", "close", "app.cancel")),
  );
}
