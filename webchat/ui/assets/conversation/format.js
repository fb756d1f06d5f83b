// Durations and sizes as people read them.

/** @import { Loading, ShownMessage, Status, Translate } from "../types.js" */

/** "4 s", "1.5 s", "2 min 5 s". */
/** @param {number} seconds @param {Translate} t */
export function duration(seconds, t) {
  if (seconds < 60) return t("transcript.seconds", { count: seconds < 9.95 ? Math.round(seconds * 10) / 10 : Math.round(seconds) });
  const whole = Math.round(seconds);
  const minutes = t("transcript.minutes", { count: Math.floor(whole / 60) });
  return whole % 60 && whole < 600 ? `${minutes} ${t("transcript.seconds", { count: whole % 60 })}` : minutes;
}

/** The same in whole seconds, for what is still counting or guessed. */
/** @param {number} seconds @param {Translate} t */
export function roughly(seconds, t) {
  return duration(Math.max(1, Math.round(seconds)), t);
}

/** "43 MB", "1.2 GB": decimal units, as downloads are announced. */
/** @param {number} count @param {string} language */
export function bytes(count, language) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, count)) / 3)));
  const value = count / 1000 ** step;
  return `${value.toLocaleString(language, { maximumFractionDigits: step > 2 && value < 100 ? 1 : 0 })} ${units[step]}`;
}

/** Where in line someone is, from {place, eta_seconds}: "3rd in line, about 20 s", "You are next". */
/** @param {{ place: number, eta_seconds?: number | null }} queue @param {Translate} t @param {string} language */
export function placeText({ place, eta_seconds: eta }, t, language) {
  const kind = new Intl.PluralRules(language, { type: "ordinal" }).select(place);
  const where = place === 1 ? t("transcript.queue.next") : t(`transcript.queue.place.${kind}`, { place });
  if (eta === null || eta === undefined) return where;
  // Guesses are not counted down by the second: people would hold the page to it.
  const rough = eta < 57.5 ? Math.max(5, 5 * Math.round(eta / 5)) : 30 * Math.round(eta / 30);
  return t("transcript.queue.about", { where, time: roughly(rough, t) });
}

/** What a loading model is at, from {phase, done, total, eta_seconds}: {text, fraction|null}. */
/** @param {Loading} progress @param {Translate} t @param {string} language @returns {{ text: string, fraction: number | null }} */
export function progressText({ phase, done, total, eta_seconds: eta }, t, language) {
  const what = t(`transcript.progress.${phase}`);
  if (!total || done === null || done === undefined) return { text: what, fraction: null };
  const fraction = Math.min(1, done / total);
  const parts = [t("transcript.progress.percent", { what, percent: Math.floor(100 * fraction) })];
  if (total >= 1e6) {
    parts.push(t("transcript.progress.bytes", { done: bytes(done, language), total: bytes(total, language) }));
  }
  if (eta) parts.push(t("transcript.progress.left", { time: roughly(eta, t) }));
  return { text: parts.join(language.startsWith("zh") ? "，" : ", "), fraction };
}

/** @type {Record<string, number>} */
const UNSAID = { first_token: 3, review: 2.5, start: 2.5 }; // seconds of waiting that need no words

/** What a reply without text waits for: {cause, words, seconds}, seconds since it began to. status: {state, queue, wait} as
 *  told at `at`; now: both as `performance.now` counts. Words are "" while none are needed. */
/** @param {Status & { at: number }} status @param {number} now @param {Translate} t @param {string} language @returns {{ cause: string | null, words: string, seconds: number }} */
export function waitText({ state, queue, wait, at }, now, t, language) {
  const passed = Math.max(0, now - at);
  const seconds = (passed + (wait?.since_ms ?? 0)) / 1000;
  if (queue) return { cause: "queue", words: placeText(queue, t, language), seconds: 0 };
  const cause = wait?.reason ?? (state === "queued" ? "start" : null);
  if (!cause || cause === "loading" || seconds < (UNSAID[cause] ?? 0)) return { cause, words: "", seconds };
  if (cause === "start" || cause === "queue") return { cause, words: t("transcript.waiting"), seconds };
  if (typeof wait?.retry_in_ms !== "number") return { cause, words: t(`transcript.wait.${cause}`), seconds };
  const left = Math.ceil((wait.retry_in_ms - passed) / 1000);
  return { cause, words: left > 0 ? t(`transcript.wait.${cause}`, { time: roughly(left, t) }) : t(`transcript.wait.${cause}_now`), seconds };
}

/** Seconds until a reply that was refused for now may be asked for again; 0 when nobody said, or they are over. seen: see
 *  `note`; clock: `Date.now()`. What the server's clock says counts for no more than the whole wait: clocks differ. */
/** @param {ShownMessage} record @param {number | null} seen @param {number} now @param {number} clock */
export function waitSeconds({ state, failure, finished_at: finished }, seen, now, clock) {
  const whole = state === "failed" && failure?.code === "rate_limited" ? failure.params?.retry_after : null;
  if (typeof whole !== "number" || !(whole > 0)) return 0;
  const since = seen === null ? clock - Date.parse(finished ?? "") : now - seen;
  return Number.isFinite(since) ? Math.min(whole, Math.max(0, whole - since / 1000)) : 0;
}
