// "|" within a formula or code of a table's cell, where GFM would end the cell: it does not end it if the row has as many
// cells as the table only without it. Cells beyond the last column, which GFM drops, are text of the last one.

import { lineAt } from "./fences.js";
import { ruleOf } from "./rules.js";
import { looksLikeTex } from "./tex.js";

/** @import { BlockState, MarkdownIt } from "./markdown.js" */

const PIPE = /(?<!\\)\|/g;
const HIDDEN = "\0"; // never in a text that is parsed
const SPAN = /\\[\\|`$]|(`+)(?!`)[^\n]{0,300}?[^`]\1(?!`)|(?<![\\$\w])\$(?![\s$])((?:\\.|[^\\$\n]){1,300}?)\$(?![\w$])|\\\(((?:(?!\\\)).){1,300})\\\)/g;

/** Reads tables with such pipes hidden from the library's rule. */
/** @param {MarkdownIt} md */
export function tablePipes(md) {
  const table = ruleOf(md.block.ruler, "table");
  md.block.ruler.at("table", (state, startLine, endLine, silent) => {
    const { src, tokens } = state;
    const first = tokens.length;
    const columns = columnsAt(state, startLine, endLine);
    if (columns) state.src = hidden(state, startLine, endLine, columns);
    const read = table(state, startLine, endLine, silent);
    state.src = src;
    if (columns) for (const token of tokens.slice(first)) token.content = token.content.replaceAll(HIDDEN, "|");
    return read;
  }, { alt: ["paragraph", "reference"] });
}

// How many columns the table that begins here has; 0 where none does.
/** @param {BlockState} state @param {number} startLine @param {number} endLine */
function columnsAt(state, startLine, endLine) {
  if (startLine + 2 > endLine || !lineAt(state, startLine).includes("|")) return 0;
  const delimiters = lineAt(state, startLine + 1).trim();
  return /^\|?[\s:|-]*-[\s:|-]*$/.test(delimiters) ? cells(delimiters) : 0;
}

// The text with the pipes hidden that end no cell, in the rows from `startLine` to an empty line.
/** @param {BlockState} state @param {number} startLine @param {number} endLine @param {number} columns */
function hidden(state, startLine, endLine, columns) {
  const { src, bMarks, tShift, eMarks } = state;
  const pieces = [];
  let from = 0;
  for (let line = startLine; line < endLine && !state.isEmpty(line); line += 1) {
    const start = bMarks[line] + tShift[line];
    const row = src.slice(start, eMarks[line]);
    if (cells(row) === columns) continue;
    const whole = wholeSpans(row);
    pieces.push(src.slice(from, start), line > startLine + 1 ? withinColumns(whole, columns) : whole);
    from = eMarks[line];
  }
  return pieces.length ? pieces.join("") + src.slice(from) : src;
}

/** @param {string} row */
function wholeSpans(row) {
  return row.replace(SPAN, (span, ticks, dollars, round) => {
    const tex = dollars ?? round;
    return span.includes("|") && (ticks || (tex && looksLikeTex(tex))) ? span.replace(PIPE, HIDDEN) : span;
  });
}

/** @param {string} row @param {number} columns */
function withinColumns(row, columns) {
  if (cells(row) <= columns) return row;
  const first = row.search(/\S/);
  const last = row.trimEnd().length - 1;
  let ended = 0;
  return row.replace(PIPE, (pipe, at) => (at === first || at === last || (ended += 1) < columns ? pipe : HIDDEN));
}

/** @param {string} row */
const cells = (row) => row.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "").split(/(?<!\\)\|/).length;
