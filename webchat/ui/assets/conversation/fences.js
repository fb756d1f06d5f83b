/** @import { BlockState, MarkdownIt } from "./markdown.js" */

// Fenced code, and what CommonMark does not know: a block of Markdown that holds fences itself. Within such a block a
// fence with an info string opens one more, and a bare one closes the innermost. Where that does not come out even, a
// bare fence closes the block, as everywhere else.

const MARKDOWN = /^(?:markdown|md|mdx|mdown|mkdn?|rmarkdown|rmd|qmd)$/i;
const DEEPEST = 6;

/** The lines behind an opening fence, one after the other. */
export class Fence {
  #open; // the fences that are open, the block's own first
  #nested;
  #even = true;

  /** mark: the opening fence, of backticks or tildes; info: what stands behind it. */
  /** @param {string} mark @param {string} info */
  constructor(mark, info) {
    this.#open = [mark];
    this.#nested = MARKDOWN.test(/^[^\s{]*/.exec(info.trim())?.[0] ?? "");
  }

  /** Whether the block can still be read with the fences it holds. */
  get even() {
    return this.#even;
  }

  /** What a line does: "closes" the block; "closed" it if fences within are not counted; or null. */
  /** @param {string} line */
  read(line) {
    const found = /^ {0,3}(`{3,}|~{3,})(.*)$/.exec(line);
    if (!found) return null;
    const [own] = this.#open;
    const [, mark, info] = found;
    const bare = !info.trim();
    /** @param {string} other */
    const like = (other) => mark[0] === other[0] && mark.length >= other.length;
    if (!bare) {
      if (this.#nested && like(own) && !(mark[0] === "`" && info.includes("`"))) this.#open.push(mark);
      if (this.#open.length > DEEPEST) this.#even = false;
      return null;
    }
    if (like(this.#open[this.#open.length - 1])) this.#open.pop();
    if (!this.#open.length) return "closes";
    return like(own) ? "closed" : null;
  }
}

/** For markdown-it: its rule for fences, by `Fence`. env.streaming: the end of the block may still come. */
/** @param {MarkdownIt} md */
export function fences(md) {
  md.block.ruler.at("fence", fence, { alt: ["paragraph", "reference", "blockquote", "list"] });
}

/** @param {BlockState} state @param {number} startLine @param {number} endLine @param {boolean} silent */
function fence(state, startLine, endLine, silent) {
  if (state.sCount[startLine] - state.blkIndent >= 4) return false;
  const opening = /^(`{3,}|~{3,})(.*)$/.exec(lineAt(state, startLine));
  if (!opening || (opening[1][0] === "`" && opening[2].includes("`"))) return false;
  if (silent) return true;
  const [, mark, info] = opening;
  const { end, closed, pending } = closing(state, startLine, endLine, new Fence(mark, info));
  state.line = end + Number(closed);
  const token = state.push("fence", "code", 0);
  token.info = info;
  token.content = state.getLines(startLine + 1, end, state.sCount[startLine], true);
  token.markup = mark;
  token.map = [startLine, state.line];
  token.meta = { pending };
  return true;
}

// The line that closes the block, or where its place ends. pending: what follows will tell which.
/** @param {BlockState} state @param {number} startLine @param {number} endLine @param {Fence} block */
function closing(state, startLine, endLine, block) {
  let plain = -1; // the line that closes it if fences within are not counted
  let line = startLine + 1;
  for (; line < endLine; line += 1) {
    const blank = state.bMarks[line] + state.tShift[line] >= state.eMarks[line];
    if (!blank && state.sCount[line] < state.blkIndent) break;
    if (state.sCount[line] - state.blkIndent >= 4) continue;
    const does = block.read(lineAt(state, line));
    if (does === "closes") return { end: line, closed: true, pending: false };
    if (does === "closed" && plain < 0) plain = line;
    if (!block.even && plain >= 0) break;
  }
  const pending = plain >= 0 && block.even && Boolean(state.env.streaming);
  if (plain >= 0 && !pending) return { end: plain, closed: true, pending: false };
  return { end: line, closed: false, pending };
}

/** @param {BlockState} state @param {number} line */
export function lineAt({ src, bMarks, tShift, eMarks }, line) {
  return src.slice(bMarks[line] + tShift[line], eMarks[line]);
}
