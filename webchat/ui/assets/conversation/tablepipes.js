// "|" within a formula or code of a table's cell, where GFM would end the cell: it does not end it if the row has as many
// cells as the table only without it.

import { looksLikeTex } from "./tex.js";

const HIDDEN = "\0"; // never in a text that is parsed
const SPAN = /\\[\\|`$]|(`+)(?!`)[^\n]{0,300}?[^`]\1(?!`)|(?<![\\$\w])\$(?![\s$])((?:\\.|[^\\$\n]){1,300}?)\$(?![\w$])|\\\(((?:(?!\\\)).){1,300})\\\)/g;

/** Reads tables with such pipes hidden from the library's rule. */
export function tablePipes(md) {
  const table = md.block.ruler.__rules__.find(({ name }) => name === "table").fn;
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
function columnsAt(state, startLine, endLine) {
  if (startLine + 2 > endLine || !lineAt(state, startLine).includes("|")) return 0;
  const delimiters = lineAt(state, startLine + 1).trim();
  return /^\|?[\s:|-]*-[\s:|-]*$/.test(delimiters) ? cells(delimiters) : 0;
}

// The text with the pipes of formulas and code hidden in the rows from `startLine` to an empty line.
function hidden(state, startLine, endLine, columns) {
  const { src, bMarks, tShift, eMarks } = state;
  const pieces = [];
  let from = 0;
  for (let line = startLine; line < endLine && !state.isEmpty(line); line += 1) {
    const start = bMarks[line] + tShift[line];
    const row = src.slice(start, eMarks[line]);
    if (!/[$`(]/.test(row) || cells(row) === columns) continue;
    pieces.push(src.slice(from, start), row.replace(SPAN, (span, ticks, dollars, round) => {
      const tex = dollars ?? round;
      return span.includes("|") && (ticks || (tex && looksLikeTex(tex))) ? span.replace(/(?<!\\)\|/g, HIDDEN) : span;
    }));
    from = eMarks[line];
  }
  return pieces.length ? pieces.join("") + src.slice(from) : src;
}

const cells = (row) => row.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "").split(/(?<!\\)\|/).length;

function lineAt({ src, bMarks, tShift, eMarks }, line) {
  return src.slice(bMarks[line] + tShift[line], eMarks[line]);
}
