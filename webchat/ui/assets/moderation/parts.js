// What several tabs of the operator's page draw: what was done, when, and what went wrong.

import { h } from "../dom.js";
import { errorText, has, language, sentences, t } from "../i18n.js";
import { copyText } from "../copying.js";
import { toast } from "../toast.js";

export const STAGES = ["input", "prompt", "output", "stored"];
export const ACTIONS = ["block", "mask", "replace", "flag"];

// What was done about a text, or (`does`) what a rule does.
export function actionBadge(action, words = "action") {
  return h("span", { class: `wc-mod-badge wc-mod-is-${action ?? "mixed"}` }, t(`moderation.${words}.${action ?? "mixed"}`));
}

// A key with a number in it; languages that have a word of its own for one thing say it under `<key>_one`.
export function counted(key, count, params = {}) {
  return t(count === 1 ? `${key}_one` : key, { count, ...params });
}

export function stageName(stage) {
  return t(`moderation.stage.${stage}`);
}

// A rule as people call it: ours have words, the operator's the name they were given.
export function ruleName(rule) {
  const key = `moderation.rule.${rule}`;
  return has(key) ? t(key) : rule.endsWith(".failed") ? t("moderation.rule_failed", { name: rule.slice(0, -7) }) : rule;
}

export function note(text, { kind = "", action } = {}) {
  return h("div", { class: `wc-mod-note ${kind}`, role: kind === "wc-danger" ? "alert" : undefined }, h("p", {}, text), action);
}

export function failed(error, again) {
  const { message, cure } = errorText(error);
  return note(sentences(message, cure), { kind: "wc-danger", action: h("button", { type: "button", class: "wc-button", onclick: again }, t("app.retry")) });
}

export function choice(label, options, { value = "", onchange } = {}) {
  return h(
    "select",
    { "aria-label": label, onchange },
    options.map(([name, words]) => h("option", { value: name, selected: name === value }, words)),
  );
}

// One of a few, as buttons that lie side by side. options: [[value, words], ...]
export function segments(label, options, value, onpick) {
  const buttons = options.map(([name, words]) =>
    h("button", { type: "button", "aria-pressed": String(name === value), onclick: (event) => {
      for (const button of buttons) button.setAttribute("aria-pressed", String(button === event.currentTarget));
      onpick(name);
    } }, words),
  );
  return h("div", { class: "wc-mod-segments", role: "group", "aria-label": label }, buttons);
}

const UNITS = [["day", 86_400], ["hour", 3600], ["minute", 60]];
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const absolute = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
const dates = new Intl.DateTimeFormat(language, { dateStyle: "medium" });

// How long ago, with the moment itself where one points at it.
export function when(at) {
  const date = new Date(at);
  const seconds = Math.max(0, (Date.now() - date) / 1000);
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? ["second", 1];
  const words = seconds >= 7 * 86_400 ? dates.format(date) : seconds < 10 ? t("moderation.now") : relative.format(-Math.floor(seconds / size), unit);
  return h("time", { datetime: at, title: absolute.format(date) }, words);
}

export async function copy(text) {
  if (await copyText(text)) toast(t("moderation.copied"));
}
