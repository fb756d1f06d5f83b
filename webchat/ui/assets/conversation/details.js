// <details> and <summary>: what a reader may unfold, with Markdown inside. Models write it in every arrangement, so the
// tags may share lines with each other and with the text. Without its end it reaches to the end of the text, unfolded.

import { Fence } from "./fences.js";

/** @import { BlockState, MarkdownIt } from "./markdown.js" */
/** @typedef {{ line: number, at: number }} Place */

const OPENING = /^<details(?:\s+open(?:=(?:""|"open"|"true"))?)?\s*>/i;
const TAG = /<(\/?)details\b[^<>]{0,40}>/gi;
const SUMMARY_LINES = 6;

/** @param {MarkdownIt} md */
export function details(md) {
  md.block.ruler.before("html_block", "details", block, { alt: ["paragraph", "reference", "blockquote"] });
}

/** @param {BlockState} state @param {number} startLine @param {number} endLine @param {boolean} silent */
function block(state, startLine, endLine, silent) {
  if (state.sCount[startLine] - state.blkIndent >= 4 || state.sCount[startLine] < 0) return false;
  const start = state.bMarks[startLine] + state.tShift[startLine];
  const opening = OPENING.exec(state.src.slice(start, Math.min(start + 60, state.eMarks[startLine])))?.[0];
  if (!opening) return false;
  if (silent) return true;
  const end = closing(state, startLine, endLine, start + opening.length);
  const unfolded = /open/i.test(opening) || (!end.found && !state.env.streaming);
  const token = state.push("details_open", "details", 1);
  Object.assign(token, { block: true, map: [startLine, end.next], meta: { pending: !end.found } });
  if (unfolded) token.attrSet("open", "");
  between(state, summary(state, startLine, end, start + opening.length), end);
  state.push("details_close", "details", -1).block = true;
  state.line = end.next;
  return true;
}

// Where the content ends: {line, at, next, found}: before offset `at` in `line`; what comes behind begins in line `next`.
/** @param {BlockState} state @param {number} startLine @param {number} endLine @param {number} from */
function closing(state, startLine, endLine, from) {
  let depth = 1;
  /** @type {Fence | null} */
  let fence = null;
  let line = startLine;
  for (; line < endLine; line += 1) {
    const begin = line === startLine ? from : state.bMarks[line] + state.tShift[line];
    const text = state.src.slice(begin, state.eMarks[line]);
    if (line > startLine && text && state.sCount[line] < state.blkIndent) break;
    const mark = /^(`{3,}|~{3,})(.*)$/.exec(text);
    if (fence) {
      if (mark && fence.read(text) !== null) fence = null;
      continue;
    }
    if (mark) fence = new Fence(mark[1], mark[2]);
    for (const tag of text.matchAll(TAG)) {
      depth += tag[1] ? -1 : 1;
      if (!depth && !text.slice(tag.index + tag[0].length).trim()) return { line, at: begin + tag.index, next: line + 1, found: true };
    }
  }
  return { line: line - 1, at: state.eMarks[line - 1], next: line, found: false };
}

// The summary, if one comes first; without it the browser has a word of its own. Gives where the rest begins.
/** @param {BlockState} state @param {number} startLine @param {Place} end @param {number} from @returns {Place} */
function summary(state, startLine, end, from) {
  const words = [];
  let begun = false;
  for (let line = startLine; line <= Math.min(end.line, startLine + SUMMARY_LINES); line += 1) {
    let at = line === startLine ? from : state.bMarks[line] + state.tShift[line];
    const last = line === end.line ? end.at : state.eMarks[line];
    if (!begun) {
      const opening = /^\s*<summary>/i.exec(state.src.slice(at, last))?.[0];
      if (!opening && state.src.slice(at, last).trim()) break;
      if (!opening) continue;
      begun = true;
      at += opening.length;
    }
    const text = state.src.slice(at, last);
    const close = text.search(/<\/summary>/i);
    words.push(close < 0 ? text : text.slice(0, close));
    if (close < 0) continue;
    state.push("summary_open", "summary", 1);
    Object.assign(state.push("inline", "", 0), { content: words.join("\n").trim(), map: [startLine, line + 1], children: [] });
    state.push("summary_close", "summary", -1);
    return { line, at: at + close + "</summary>".length };
  }
  return { line: startLine, at: from };
}

// The blocks from one place to another, both of which may be within lines.
/** @param {BlockState} state @param {Place} from @param {Place} to */
function between(state, from, to) {
  const { bMarks, eMarks, tShift, sCount } = state;
  const kept = [bMarks[from.line], tShift[from.line], sCount[from.line], eMarks[to.line], state.lineMax];
  let text = from.at;
  while (text < eMarks[from.line] && /[ \t]/.test(state.src[text])) text += 1;
  bMarks[from.line] = from.at;
  tShift[from.line] = text - from.at;
  sCount[from.line] = state.blkIndent;
  eMarks[to.line] = Math.max(to.at, bMarks[to.line]);
  state.lineMax = to.line + 1;
  state.md.block.tokenize(state, from.line, to.line + 1);
  [bMarks[from.line], tShift[from.line], sCount[from.line], eMarks[to.line], state.lineMax] = kept;
}

/** @type {WeakMap<Node, boolean>} */
const chosen = new WeakMap(); // what a reader has folded or unfolded, and how

/** A press on a summary: from now on the reader's choice counts. */
/** @param {Event} event */
export function noteUnfolding({ target }) {
  const element = /** @type {Element} */ (target).closest("summary")?.parentElement;
  if (element instanceof HTMLDetailsElement) chosen.set(element, !element.open);
}

/** Let what is drawn in the place of `shown` be as the reader has chosen. */
/** @param {Node | null} shown @param {Node} drawn */
export function keepUnfolding(shown, drawn) {
  const open = shown && chosen.get(shown);
  if (typeof open === "boolean" && drawn instanceof HTMLDetailsElement) drawn.open = open;
}
