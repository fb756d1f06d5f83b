// Text with what one cannot see in it: ends of lines, tabs, runs of spaces, characters without a shape. The marks are
// drawn by the style sheet, so what is selected and copied is the text itself.

import { h } from "../dom.js";

const HIDDEN = "\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u00a0\\u00ad\\u200b\\u200e\\u200f\\u2028-\\u202f\\u2060-\\u2064\\ufeff";
const SOME = new RegExp(`\\n|\\t+| {2,}|(?<![^\\n]) +| +(?![^\\n])|[${HIDDEN}]`, "g");
const EVERY = new RegExp(`\\n|\\t+| +|[${HIDDEN}]`, "g");

/** Nodes for `text`. every: mark single spaces between words too. */
/** @param {string} text @param {{ every?: boolean }} [options] @returns {(string | HTMLElement)[]} */
export function visible(text, { every = false } = {}) {
  /** @type {(string | HTMLElement)[]} */
  const nodes = [];
  let at = 0;
  for (const found of text.matchAll(every ? EVERY : SOME)) {
    if (found.index > at) nodes.push(text.slice(at, found.index));
    nodes.push(mark(found[0]));
    at = found.index + found[0].length;
  }
  if (at < text.length) nodes.push(text.slice(at));
  return nodes;
}

/** @param {string} found */
function mark(found) {
  const kind = { "\n": "nl", "\t": "tab", " ": "sp" }[found[0]];
  if (kind) return h("i", { class: `wc-ws-${kind}` }, found);
  const code = `U+${(found.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
  return h("i", { class: "wc-ws-code", "data-code": code }, found);
}

/** The same in one line, for a label: "↵" for the end of a line, "·" for a space. */
/** @param {string} text */
export function inline(text) {
  return text.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "·");
}
