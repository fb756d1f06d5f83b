// Lists and quotes within one another, deeper than a page has room for: what is further in is shown as it was written,
// line by line, in a box with a mark.

/** @import { BlockState, MarkdownIt } from "./markdown.js" */
/** @import { Translate } from "../types.js" */

const DEEPEST = 20; // items, quotes and notes within one another
const PIECES = /[^]{1,2000}/gu; // a browser lays one long text out in time that grows with the square of its length

/** @param {MarkdownIt} md @param {Translate} t */
export function deepBlocks(md, t) {
  const { block } = md;
  const tokenize = block.tokenize.bind(block);
  /** @param {BlockState} state @param {number} startLine @param {number} endLine */
  block.tokenize = (state, startLine, endLine) => {
    const depth = (state.depth = (state.depth ?? -1) + 1);
    if (depth < DEEPEST) tokenize(state, startLine, endLine);
    else asWritten(state, startLine, endLine);
    state.depth = depth - 1;
  };
  const { escapeHtml } = md.utils;
  md.renderer.rules.deep = (tokens, index) => {
    const lines = tokens[index].content.split("\n");
    const pieces = lines.flatMap((line) => line.match(PIECES) ?? [""]);
    const title = escapeHtml(t("transcript.deep"));
    return `<div class="wc-deep" dir="auto" title="${title}">${pieces.map((piece) => `<span class="wc-part">${escapeHtml(piece)}</span>`).join("")}</div>`;
  };
}

// The lines that belong to the innermost list item or quote, as one token.
/** @param {BlockState} state @param {number} startLine @param {number} endLine */
function asWritten(state, startLine, endLine) {
  let line = startLine;
  const within = () => state.isEmpty(line) || state.sCount[line] >= state.blkIndent || state.sCount[line] < 0; // lazy lines of a quote
  while (line < endLine && within()) line += 1;
  state.line = line;
  const content = state.getLines(startLine, line, state.blkIndent, false).replace(/\s+$/, "");
  if (!content) return;
  const token = state.push("deep", "div", 0);
  Object.assign(token, { content, block: true, map: [startLine, line] });
}
