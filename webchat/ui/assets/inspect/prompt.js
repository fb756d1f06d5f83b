// The messages of a prompt, one block each, as they were sent.

import { h } from "../dom.js";
import { has, t } from "../i18n.js";
import { callsView } from "../conversation/calls.js";
import { visible } from "./text.js";

/** @import { Inspection, MaskedPlace, Part, TemplateUse, ToolCall } from "../types.js" */

const LONG = { characters: 1600, lines: 24 };
const ROLES = new Set(["system", "user", "assistant"]);

/** @param {string} role */
export const roleWords = (role) => (has(`inspect.role.${role}`) ? t(`inspect.role.${role}`) : role);

/** @param {string} role */
export const roleClass = (role) => `wc-role-${ROLES.has(role) || role === "template" ? role : "other"}`;

/** @param {Inspection} sent */
export function promptView(sent) {
  const { messages, cut, masked, masked_count: count, parts, tokens } = sent;
  const counts = parts ? tokensOf(parts) : null;
  const added = (parts ?? []).reduce((sum, { role, start, end }) => sum + (role === "template" ? end - start : 0), 0);
  const first = cut ? messages.findIndex((message) => message.role !== "system") : -1;
  const lastUser = messages.findLastIndex((message) => message.role === "user");
  const list = h("ol", { class: "wc-prompt" });
  messages.forEach((message, index) => {
    if (cut && index === first) list.append(h("li", { class: "wc-prompt-cut" }, h("span", {}, cut.left_out === 1 ? t("inspect.cut_one") : t("inspect.cut", { count: cut.left_out }))));
    const from = message.role === "system" ? sent.templates?.persona : index === lastUser ? sent.templates?.user : null;
    list.append(block({ role: message.role, content: String(message.content ?? ""), calls: callsOf(message) }, { tokens: counts?.get(index), from, masked: masked ?? [] }));
  });
  const summary = [
    t("inspect.messages", { count: messages.length }),
    tokens && t("inspect.tokens", { count: tokens.ids.length }),
    added > 0 && t("inspect.template_adds", { count: added }),
    count && t("inspect.masked_some", { count }),
  ].filter(Boolean);
  return h("div", {}, h("p", { class: "wc-prompt-summary" }, summary.join(" · ")), list);
}

// Of each message, by its index.
/** @param {Part[]} parts */
function tokensOf(parts) {
  /** @type {Map<number, number>} */
  const counts = new Map();
  for (const { message, role, start, end } of parts) {
    if (message !== null && role !== "template") counts.set(message, (counts.get(message) ?? 0) + end - start);
  }
  return counts;
}

/** @param {Inspection["messages"][number]} message @returns {ToolCall[]} */
const callsOf = ({ tool_calls: calls = [] }) => calls.map((/** @type {any} */ { id, function: called }) => ({ id, name: called.name, arguments: called.arguments }));

/** @param {{ role: string, content: string, calls: ToolCall[] }} message @param {{ tokens?: number, from: TemplateUse | null, masked: MaskedPlace[] }} about */
function block({ role, content, calls }, { tokens, from, masked }) {
  const text = h("pre", { class: "wc-prompt-text", dir: "auto" }, content ? marked(content, masked) : h("i", { class: "wc-prompt-empty" }, t("inspect.empty")));
  const long = content.length > LONG.characters || content.split("\n", LONG.lines + 1).length > LONG.lines;
  const head = h(
    "div",
    { class: "wc-prompt-head" },
    h("span", { class: "wc-prompt-role" }, roleWords(role)),
    from && h("span", { class: "wc-prompt-from" }, t("inspect.version_of", { name: from.name, version: from.version })),
    tokens !== undefined && h("span", { class: "wc-prompt-count" }, t("inspect.tokens", { count: tokens })),
  );
  const asked = calls.length > 0 && callsView(calls, t);
  return h("li", { class: `wc-prompt-message ${roleClass(role)}` }, head, (content || !asked) && text, long && unfolder(text, content.length), asked);
}

/** @param {HTMLElement} text @param {number} characters */
function unfolder(text, characters) {
  text.classList.add("wc-prompt-folded");
  const button = h("button", { type: "button", class: "wc-link", "aria-expanded": "false" }, t("inspect.show_all", { count: characters }));
  button.addEventListener("click", () => {
    const folded = text.classList.toggle("wc-prompt-folded");
    button.setAttribute("aria-expanded", String(!folded));
    button.textContent = folded ? t("inspect.show_all", { count: characters }) : t("transcript.show_less");
  });
  return button;
}

// Placeholders stand out, and say what they stand for.
/** @param {string} content @param {MaskedPlace[]} masked */
function marked(content, masked) {
  const kinds = new Map(masked.map(({ placeholder, kind }) => [placeholder, kind]));
  if (!kinds.size) return visible(content);
  const longest = [...kinds.keys()].sort((one, other) => other.length - one.length);
  const any = new RegExp(`(${longest.map((key) => key.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})`);
  const show = (/** @type {string} */ piece) => {
    const kind = kinds.get(piece);
    return kind === undefined ? piece : h("mark", { title: t("inspect.masked_as", { kind: kindWords(kind) }) }, piece);
  };
  return visible(content).flatMap((node) => (typeof node === "string" ? node.split(any).map(show) : node));
}

/** @param {string} kind */
function kindWords(kind) {
  return has(`inspect.kind.${kind}`) ? t(`inspect.kind.${kind}`) : kind;
}
