// Where a reply comes from: model, tokens, speed, times, sampling. Read when asked for.

import { h, showPopover } from "../dom.js";
import { has } from "../i18n.js";
import { duration } from "./format.js";

/** @import { MessageDetails, Translate } from "../types.js" */

/** Rows of [label, value] from a message and its provenance; what was not recorded is left out. */
/** @param {Pick<MessageDetails, "message" | "provenance">} answer @param {Translate} t @param {string} language @returns {[string, string][]} */
export function infoRows({ message, provenance: from }, t, language) {
  const at = message.finished_at && new Date(message.finished_at).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
  // A link may show nothing of where replies come from.
  if (!from) return [["model", message.model ?? ""], ["at", at ?? ""]].filter(([, value]) => value).map(([key, value]) => [t(`transcript.info.${key}`), value]);
  /** @type {Record<string, any>} */
  const details = from.details;
  const number = (/** @type {number | null} */ value) => value?.toLocaleString(language);
  const seconds = (/** @type {number | null} */ value) => (typeof value === "number" ? duration(Math.round(value * 100) / 100, t) : null);
  const writing = (from.total_seconds ?? 0) - (from.first_token_seconds ?? 0);
  const completion = from.completion_tokens ?? 0;
  const speed = completion > 1 && writing > 0.02 ? (completion - 1) / writing : null;
  const without = withoutOf(details ?? {});
  const named = (/** @type {string} */ name) => [`transcript.without.${name}`, `sampling.${name}`, `drawer.${name}`].filter(has).map((key) => t(key))[0] ?? name;
  /** @type {[string, string][]} */
  const rows = [
    ["model", from.model ?? message.model],
    ["model_id", from.model_id !== from.model ? from.model_id : null],
    ["backend", from.backend],
    ["revision", from.revision?.slice(0, 12)],
    ["adapter", from.adapter],
    ["template", from.template],
    ["tools", toolsOf(from.options)],
    ["left_out", details?.left_out && t("transcript.info.left_out_value", { count: details.left_out })],
    ["without", without.map(named).join(t("transcript.info.without_comma"))],
    ["prompt_tokens", number(from.prompt_tokens)],
    ["cached_tokens", from.cached_tokens ? number(from.cached_tokens) : null],
    ["completion_tokens", number(from.completion_tokens)],
    ["speed", speed && t("transcript.info.speed_value", { count: Number(speed.toPrecision(3)) })],
    ["queued", (from.queued_seconds ?? 0) > 0.05 ? seconds(from.queued_seconds) : null],
    ["first_token", seconds(from.first_token_seconds)],
    ["total", seconds(from.total_seconds)],
    ["seed", without.includes("seed") ? null : from.seed],
    ["finish", message.finish_reason],
    ["at", at],
  ]
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([key, value]) => [t(`transcript.info.${key}`), String(value)]);
  for (const [name, value] of Object.entries(from.sampling ?? {})) {
    if (without.includes(name)) continue;
    if (name !== "seed" || from.seed === null) rows.push([named(name), Array.isArray(value) ? value.map((stop) => JSON.stringify(stop)).join(", ") : String(value)]);
  }
  return rows;
}

/** Names of the tools that the model was asked with. */
/** @param {Record<string, any> | null | undefined} options */
const toolsOf = (options) => (Array.isArray(options?.tools) ? options.tools.map((/** @type {any} */ { name }) => name).join(", ") : null);

// Names of what was not sent because the model does not take it; "system" is the role of the system prompt.
/** @param {{ without?: string[], system_as?: string }} details */
function withoutOf({ without = [], system_as: moved }) {
  return moved && !without.includes("system") ? ["system", ...without] : without;
}

/** @param {[string, string][]} rows */
export function infoList(rows) {
  return h("dl", {}, rows.map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value))));
}

/** Show the rows beside their button, until Escape or a press elsewhere. inspect: opens what says more. */
/** @param {HTMLElement} button @param {MessageDetails} answer @param {Translate} t @param {string} language @param {() => void} inspect */
export function showInfo(button, answer, t, language, inspect) {
  const rows = infoRows(answer, t, language);
  const more = () => {
    box.hidePopover();
    inspect();
  };
  const box = h(
    "div",
    { class: "wc-info wc-panel", popover: "auto", role: "dialog", "aria-label": t("transcript.info_title"), tabindex: "-1" },
    h("h2", {}, t("transcript.info_title")),
    rows.length ? infoList(rows) : h("p", { class: "wc-muted" }, t("transcript.info.none")),
    h("button", { type: "button", class: "wc-button", onclick: more }, t("inspect.open")),
  );
  showPopover(button, box, { above: true });
}
