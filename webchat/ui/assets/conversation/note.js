// What is said under a message that did not simply end, and what one can do about it.

import { h } from "../dom.js";
import { errorText } from "../i18n.js";
import { roughly, waitSeconds } from "./format.js";
import { icon } from "./icons.js";
import { ticking } from "./ticking.js";

/** @import { Failure, ShownMessage, Translate } from "../types.js" */
/** @typedef {{ tone: "error" | "warning" | "plain", message: string, cure: string, detail: string, acts: (keyof typeof ACTS)[] }} Note */

const ACTS = /** @type {const} */ ({ continue: "play", retry: "retry", reply: "retry" });

/** What to say of a reply, from its record: {tone, message, cure, detail, acts}; null when it simply ended. tone: "error",
 *  "warning", or "plain". acts: of "continue" (where there is text to go on from) and "retry". */
/** @param {ShownMessage} record @param {Translate} t @returns {Note | null} */
function noteOf({ role, state, text, failure, finish_reason: reason, tool_calls: calls }, t) {
  const begun = Boolean(text?.trim());
  /** @param {string} key @param {...(keyof typeof ACTS)} acts @returns {Note} */
  const plain = (key, ...acts) => ({ tone: "plain", message: t(`transcript.${key}`), cure: "", detail: "", acts });
  /** @type {(keyof typeof ACTS)[]} */
  const onward = begun ? ["continue", "retry"] : ["retry"];
  if (failure?.code === "link_paused") return { tone: "warning", ...errorText(failure), acts: [onward[0]] };
  if (failure?.code.startsWith("link_") || failure?.code === "not_followed") return { tone: "warning", ...errorText(failure), acts: [] };
  if (state === "failed") return { tone: "error", ...(failure ? errorText(failure) : plain("failed")), acts: onward };
  if (state === "blocked") return failure ? { tone: "warning", ...errorText(failure), acts: [] } : plain("blocked");
  if (state === "interrupted") return plain("interrupted", ...onward);
  if (state === "stopped") return plain("stopped", onward[0]);
  if (state !== "complete") return null;
  if (reason === "length") return plain("length", onward[0]);
  if (reason === "content_filter") return plain("filtered", "retry");
  return text || calls?.length || role === "tool" ? null : plain("empty_reply", "retry");
}

/** What a running reply ends with on a page whose requests are refused. After a session it is still written by the server. */
/** @param {Failure} [error] */
export function endedBy({ code } = { code: "" }) {
  if (["signed_out", "person_disabled"].includes(code)) return "not_followed";
  return ["link_revoked", "link_expired", "link_paused"].includes(code) ? code : "link_ended";
}

/** The note of a reply as an element, or null. seen: when this page saw it end, by `performance.now`; null when it had
 *  ended before. say: tells a screen reader. */
/** @param {ShownMessage} record @param {Translate} t @param {{ seen?: number | null, say?: (words: string) => void }} [options] */
export function note(record, t, { seen = null, say = () => {} } = {}) {
  const said = noteOf(record, t);
  if (!said) return null;
  const { tone, message, cure, acts } = said;
  const { cut_calls: cut = 0 } = record;
  const lost = cut > 0 && t(cut === 1 ? "transcript.cut_call" : "transcript.cut_calls", { count: cut });
  const detail = [said.detail, lost].filter(Boolean).join(" ");
  const buttons = acts.map((act) => wide(act, t));
  const advice = h("p", { class: "wc-muted" }, cure);
  if (typeof record.failure?.params?.retry_after === "number") comeBack(advice, buttons[acts.indexOf("retry")]);
  const words = h("div", { class: "wc-note-text" }, h("p", {}, message), advice.textContent && advice, detail && h("p", { class: "wc-error-detail", dir: "auto" }, detail));
  const glyph = tone !== "plain" && h("span", { class: "wc-error-icon" }, icon("alert"));
  return h("div", { class: tone === "error" ? "wc-error" : "wc-note" }, glyph, words, buttons.length > 0 && h("div", { class: "wc-note-acts" }, buttons));

  // Counts down to when the model may be asked again, and only then lets one ask.
  /** @param {HTMLElement} line @param {HTMLButtonElement} [retry] */
  function comeBack(line, retry) {
    const wait = waitSeconds(record, seen, performance.now(), Date.now());
    const until = performance.now() + 1000 * wait;
    if (retry) retry.disabled = wait > 0;
    ticking(line, () => {
      const left = Math.ceil((until - performance.now()) / 1000);
      if (left > 0) return againText(left, t);
      line.textContent = t("transcript.again_now");
      if (retry?.disabled) {
        retry.disabled = false;
        say(line.textContent);
      }
      return null;
    });
  }
}

/** @param {number} seconds @param {Translate} t */
function againText(seconds, t) {
  if (seconds >= 100) return t("transcript.again_later", { time: roughly(seconds, t) });
  return t("transcript.again_in", { count: seconds });
}

/** Under a person's message that has no reply. */
/** @param {Translate} t */
export function unansweredNote(t) {
  return h("div", { class: "wc-note" }, h("span", {}, t("transcript.unanswered")), wide("reply", t));
}

/** The records with the last one marked when it is a message without a reply, and none is on its way. */
/** @param {ShownMessage[]} records */
export function withUnanswered(records) {
  const last = records.at(-1);
  if (last?.role !== "user" || last.pending) return records;
  return [...records.slice(0, -1), { ...last, unanswered: true }];
}

/** @param {keyof typeof ACTS} act @param {Translate} t */
function wide(act, t) {
  return h("button", { type: "button", class: "wc-wide-action", "data-act": act }, icon(ACTS[act]), t(`transcript.${act}`));
}
