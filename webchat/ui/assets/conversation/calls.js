// Tool calls of replies, and results of tools, folded and word for word.

import { h } from "../dom.js";
import { icon } from "./icons.js";

/** @import { ToolCall, Translate } from "../types.js" */

/** @param {string} label @param {string} text */
export function folded(label, text) {
  const summary = h("summary", {}, h("span", { dir: "auto" }, label), icon("chevron"));
  return h("details", { class: "wc-reasoning wc-call" }, summary, h("pre", { class: "wc-reasoning-body", dir: "auto" }, text));
}

/** @param {readonly ToolCall[]} calls @param {Translate} t */
export const callsView = (calls, t) => h("div", { class: "wc-calls" }, calls.map((call) => folded(t("transcript.tool_call", { name: call.name }), call.arguments)));
