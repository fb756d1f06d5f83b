// What to show of a text whose end is still being written: half a marker is held back, an open one is closed, so
// that nothing flickers between two readings. For display only; the text itself is never changed.

import { Fence } from "./fences.js";
import { mayBecomeTex } from "./tex.js";

const CONTAINER = /^\s*(?:(?:[-*+>]|\d{1,9}[.)])\s+)*/;
const SUMMARY = /^[ >]*(?:<details[^<>\n]{0,20}>\s*)?<summary>(?:(?!<\/summary>)[^]){0,500}$(?![^])/im; // without its end
const FENCE = /^\s*(?:(?:[-*+>]|\d{1,9}[.)])\s+)*(`{3,}|~{3,})/;

/** @param {string} text */
export function mend(text) {
  const start = text.lastIndexOf("\n") + 1;
  const head = text.slice(0, start);
  const last = text.slice(start);
  const fence = openFence(head);
  if (fence) return /^\s*(`+|~+)\s*$/.test(last) && last.trim()[0] === fence ? head : text;
  if (/^\s*(?:(?:[-*+>]|\d{1,9}[.)])\s+)*(?:`{1,2}|~{1,2})$/.test(last)) return head;
  const opening = FENCE.exec(last);
  if (opening && !last.slice(opening[0].length).includes("`")) return head + opening[0];
  // A lone marker is the beginning of a list, a heading or a rule, or would make a heading of the line above.
  if (/^\s*(?:[-*+>]|\d{1,9}[.)]?|#{1,6}|=+|-+|\*{2,}|_{2,})\s*$/.test(last)) return head;
  if (/^\s*(?:[-*+]|\d{1,9}[.)])\s+\[(?:[ xX]\]?\s*)?$/.test(last)) return head;
  const table = tableStart(head, last);
  if (table >= 0) return text.slice(0, table);
  const summary = text.search(SUMMARY);
  if (summary >= 0) return text.slice(0, summary);
  return mendInline(text.replace(/<\/?[a-z]{0,8}$/i, ""));
}

/** @param {string} head */
function openFence(head) {
  /** @type {{ mark: string, block: Fence } | null} */
  let open = null;
  for (const line of head.split("\n")) {
    if (!open) {
      const found = FENCE.exec(line);
      if (found?.[1]) open = { mark: found[1], block: new Fence(found[1], line.slice(found[0].length)) };
      continue;
    }
    const does = open.block.read(line.replace(CONTAINER, ""));
    if (does === "closes" || (does === "closed" && !open.block.even)) open = null;
  }
  return open?.mark[0] ?? "";
}

// Where a header row begins that has no delimiter row under it yet, or -1.
/** @param {string} head @param {string} last */
function tableStart(head, last) {
  const lines = head.split("\n");
  lines.pop();
  /** @param {string} [line] */
  const isRow = (line) => /^\s*\|/.test(line ?? "");
  const above = lines.at(-1);
  if (isRow(last) && !isRow(above)) return head.length;
  if (isRow(above) && !isRow(lines.at(-2)) && /^[\s|:-]*$/.test(last)) return head.length - (above ?? "").length - 1;
  return -1;
}

/** @param {string} text */
function mendInline(text) {
  const gap = text.lastIndexOf("\n\n");
  const from = Math.max(gap < 0 ? 0 : gap + 2, text.length - 4000);
  const head = text.slice(0, from);
  let tail = text.slice(from);
  const link = /(!?)\[([^[\]\n]*)(?:\]|\]\([^()\s]*)?$/.exec(tail);
  if (link?.[2].startsWith("^")) tail = link[0].endsWith("]") ? tail : tail.slice(0, link.index); // the mark of a note
  else if (link) tail = tail.slice(0, link.index) + (link[1] ? "" : link[2]);
  const { cut, closers } = openMarks(tail);
  if (cut >= 0) return head + tail.slice(0, cut);
  if (closers === null) return head + tail;
  const shown = tail.replace(/(?:\*+|~+|\\|<[a-z]+>)$/i, "");
  const open = shown === tail ? closers : openMarks(shown).closers;
  return head + (open ? shown.trimEnd() + open : shown);
}

// cut: where a formula begins that has no end yet, or -1. closers: what ends the code and emphasis still open.
/** @param {string} text @returns {{ cut: number, closers: string | null }} */
function openMarks(text) {
  /** @type {string[]} */
  const stack = [];
  const pattern = /\\[([]|\\[\s\S]|`+|\*{1,3}|~~|\$+|<\/?(?:sub|sup|kbd|mark|ins|u|small|b|strong|i|em)>/gi;
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    const mark = match[0];
    const after = text[pattern.lastIndex] ?? "";
    const before = text[match.index - 1] ?? "";
    if (mark === "\\(" || mark === "\\[") {
      const end = text.indexOf(mark === "\\(" ? "\\)" : "\\]", pattern.lastIndex);
      const far = text.length - pattern.lastIndex > 1000;
      if (end < 0 && (far || !mayBecomeTex(text.slice(pattern.lastIndex, pattern.lastIndex + 300).trim()))) continue;
      if (end < 0) return { cut: match.index, closers: null };
      pattern.lastIndex = end + 2;
    } else if (mark[0] === "<") {
      if (mark[1] !== "/") stack.push(mark.replace("<", "</"));
      else if (stack.at(-1) === mark) stack.pop();
    } else if (mark[0] === "`") {
      const end = closingRun(text, pattern.lastIndex, mark.length);
      if (end < 0) {
        if (!after) return { cut: match.index, closers: null };
        return { cut: -1, closers: text.endsWith("`") ? null : mark + stack.reverse().join("") };
      }
      pattern.lastIndex = end;
    } else if (mark[0] === "$") {
      const end = text.indexOf(mark, pattern.lastIndex);
      if (!after) return { cut: match.index, closers: null };
      const opens = mark === "$$" || (mark === "$" && /[^\s\d]/.test(after || " ") && !/[A-Za-z0-9]/.test(before));
      const rest = text.slice(pattern.lastIndex, pattern.lastIndex + 300);
      if (opens && end < 0 && rest.length < 300 && mayBecomeTex(mark === "$" ? rest : rest.trim())) return { cut: match.index, closers: null };
      if (opens && end >= 0) pattern.lastIndex = end + mark.length;
    } else if (mark[0] !== "\\") {
      if (stack.at(-1) === mark && /\S/.test(before)) stack.pop();
      else if (/\S/.test(after)) stack.push(mark);
    }
  }
  return { cut: -1, closers: stack.reverse().join("") };
}

/** @param {string} text @param {number} from @param {number} length */
function closingRun(text, from, length) {
  const runs = /`+/g;
  runs.lastIndex = from;
  for (let run = runs.exec(text); run; run = runs.exec(text)) if (run[0].length === length) return runs.lastIndex;
  return -1;
}
