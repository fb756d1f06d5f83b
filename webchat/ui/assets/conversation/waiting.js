// What stands where the text of a reply will come: its place in line, the model on its way, or for what it waits and how
// long already.

import { h } from "../dom.js";
import { language } from "../i18n.js";
import { progressText, roughly, waitText } from "./format.js";
import { ticking } from "./ticking.js";

/** @import { Loading, ShownMessage, Status, Translate } from "../types.js" */
/** @import { Attributes } from "../dom.js" */
/** @typedef {{ say(words: string): void, cause: string | null, at: number }} Voice */

const QUIET = { first: 10_000, again: 30_000 }; // ms: a screen reader hears of a long wait this seldom

/** @param {Attributes} attributes */
const dots = (attributes) => h("span", attributes, h("i"), h("i"), h("i"));

/** The element for a running reply without text; null when there is nothing to show. status: the last one told, with `at`,
 *  when it came (`performance.now`). voice: {say, cause, at}, how to tell a screen reader, and what it was told last and when. */
/** @param {ShownMessage} record @param {Status & { at: number } | null} status @param {Translate} t @param {Voice} voice */
export function waiting(record, status, t, voice) {
  if (status?.loading) return progress(status.loading, t);
  if (record.reasoning) return null;
  const still = record.state === "queued" && Boolean(status?.queue);
  const mark = still ? dots({ class: "wc-dots wc-dots-still", "aria-hidden": "true" }) : dots({ class: "wc-dots", role: "img", "aria-label": t("transcript.writing") });
  const line = h("span", { class: "wc-muted wc-place" });
  const time = h("span", { class: "wc-muted wc-wait-time" });
  ticking(line, () => {
    const { cause, words, seconds } = status ? waitText(status, performance.now(), t, language) : { cause: null, words: "", seconds: 0 };
    time.textContent = words && seconds ? t("transcript.wait.so_far", { time: roughly(seconds, t) }) : "";
    speak(voice, cause, words, seconds, t);
    return words;
  });
  return h("div", { class: "wc-typing" }, mark, line, time);
}

// The cause when it is another one, and now and then that it is still so.
/** @param {Voice} voice @param {string | null} cause @param {string} words @param {number} seconds @param {Translate} t */
function speak(voice, cause, words, seconds, t) {
  if (!words || cause === "queue") return; // the place in line is read out by the transcript
  const now = performance.now();
  const fresh = voice.cause !== cause;
  if (fresh ? cause === "first_token" && 1000 * seconds < QUIET.first : now - voice.at < QUIET.again) return;
  Object.assign(voice, { cause, at: now });
  voice.say(fresh ? words : `${words} ${t("transcript.wait.so_far", { time: roughly(seconds, t) })}`);
}

/** @param {Loading} loading @param {Translate} t */
function progress(loading, t) {
  const { text, fraction } = progressText(loading, t, language);
  const bar = h("div", {
    class: fraction === null ? "wc-bar wc-bar-unknown" : "wc-bar",
    role: "progressbar",
    "aria-label": text,
    "aria-valuemin": "0",
    "aria-valuemax": "100",
    "aria-valuenow": fraction === null ? undefined : String(Math.floor(100 * fraction)),
  });
  bar.append(h("div", { class: "wc-bar-fill", style: fraction === null ? undefined : `inline-size:${100 * fraction}%` }));
  return h("div", { class: "wc-loading" }, h("div", {}, text), bar);
}
