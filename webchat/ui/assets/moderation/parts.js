// What several tabs of the operator's page draw: what was done, when, and what went wrong.

import { h } from "../dom.js";
import { errorText, has, language, sentences, t } from "../i18n.js";
import { copyText } from "../copying.js";
import { toast } from "../toast.js";

/** @import { Child } from "../dom.js" */
/** @import { Failure, Me, Words } from "../types.js" */
/** @typedef {{ me: Partial<Me>, show(tab: string, wish: Wish): void, close(): void }} Page */
/** @typedef {{ rule?: string, action?: string, rules?: string }} Wish what is wished of a tab: a filter of the log, rules to try */
/** @typedef {[value: string, words: string]} Option */

export const STAGES = ["input", "prompt", "output", "stored"];
export const ACTIONS = ["block", "mask", "replace", "flag"];

// What was done about a text, or (`does`) what a rule does.
/** @param {string | null} action @param {string} [words] */
export function actionBadge(action, words = "action") {
  return h("span", { class: `wc-mod-badge wc-mod-is-${action ?? "mixed"}` }, t(`moderation.${words}.${action ?? "mixed"}`));
}

// A key with a number in it; languages that have a word of its own for one thing say it under `<key>_one`.
/** @param {string} key @param {number} count @param {Words} [params] */
export function counted(key, count, params = {}) {
  return t(count === 1 ? `${key}_one` : key, { count, ...params });
}

/** @param {string} stage */
export function stageName(stage) {
  return t(`moderation.stage.${stage}`);
}

// A rule as people call it: ours have words, the operator's the name they were given.
/** @param {string} rule */
export function ruleName(rule) {
  const key = `moderation.rule.${rule}`;
  return has(key) ? t(key) : rule.endsWith(".failed") ? t("moderation.rule_failed", { name: rule.slice(0, -7) }) : rule;
}

/** @param {string} text @param {{ kind?: string, action?: Child }} [options] */
export function note(text, { kind = "", action } = {}) {
  return h("div", { class: `wc-mod-note ${kind}`, role: kind === "wc-danger" ? "alert" : undefined }, h("p", {}, text), action);
}

/** @param {Failure} error @param {() => void} again */
export function failed(error, again) {
  const { message, cure } = errorText(error);
  return note(sentences(message, cure), { kind: "wc-danger", action: h("button", { type: "button", class: "wc-button", onclick: again }, t("app.retry")) });
}

/** @param {string} label @param {Option[]} options @param {{ value?: string, onchange?: () => void }} [settings] */
export function choice(label, options, { value = "", onchange } = {}) {
  return h(
    "select",
    { "aria-label": label, onchange },
    options.map(([name, words]) => h("option", { value: name, selected: name === value }, words)),
  );
}

// One of a few, as buttons that lie side by side. options: [[value, words], ...]
/** @template Value @param {string} label @param {[Value, string][]} options @param {Value} value @param {(value: Value) => void} onpick */
export function segments(label, options, value, onpick) {
  /** @type {HTMLButtonElement[]} */
  const buttons = options.map(([name, words]) =>
    h("button", { type: "button", "aria-pressed": String(name === value), onclick: (event) => {
      for (const button of buttons) button.setAttribute("aria-pressed", String(button === event.currentTarget));
      onpick(name);
    } }, words),
  );
  return h("div", { class: "wc-mod-segments", role: "group", "aria-label": label }, buttons);
}

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [["day", 86_400], ["hour", 3600], ["minute", 60]];
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const absolute = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
const dates = new Intl.DateTimeFormat(language, { dateStyle: "medium" });

// How long ago, with the moment itself where one points at it.
/** @param {string} at */
export function when(at) {
  const date = new Date(at);
  const seconds = Math.max(0, (Date.now() - date.getTime()) / 1000);
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? /** @type {const} */ (["second", 1]);
  const words = seconds >= 7 * 86_400 ? dates.format(date) : seconds < 10 ? t("moderation.now") : relative.format(-Math.floor(seconds / size), unit);
  return h("time", { datetime: at, title: absolute.format(date) }, words);
}

/** @param {string} text */
export async function copy(text) {
  if (await copyText(text)) toast(t("moderation.copied"));
}
