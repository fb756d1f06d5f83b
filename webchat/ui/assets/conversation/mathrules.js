// Formulas for markdown-it: $..$, $$..$$, \(..\), \[..\] and \begin{align}..\end{align}. Tokens: `math` (info "inline" or
// "display") and `math_block`. What only looks like delimiters stays text: see `tex.js`.
// An open block formula at the end of a text that still streams becomes a `math_block` with meta.pending, so that
// nothing after it is taken for Markdown; env.streaming says that more text may come.

import { looksDisplayed, looksLikeTex, readsAsProse, standsAlone, strong } from "./tex.js";

/** @import { BlockState, InlineState, MarkdownIt } from "./markdown.js" */
/** @typedef {{ open: string, close: string, kept: boolean }} Opening */

const MAX_LINES = 40; // a formula longer than this is a stray delimiter
const MAX_INLINE = 2000;
const ENVIRONMENT =
  /^\\begin\{((?:align|aligned|alignat|alignedat|equation|eqnarray|gather|gathered|multline|split|cases|rcases|dcases|drcases|array|darray|subarray|smallmatrix|[pbBvV]?matrix|CD)\*?)\}/;

/** @param {MarkdownIt} md */
export function mathRules(md) {
  md.inline.ruler.before("escape", "math_paren", paren);
  md.inline.ruler.before("escape", "math_environment", environment);
  md.inline.ruler.after("escape", "math_dollar", dollar);
  md.block.ruler.before("fence", "math_block", block, { alt: ["paragraph", "reference", "blockquote", "list"] });
}

/** @param {InlineState} state @param {boolean} silent */
function paren(state, silent) {
  const { src, pos } = state;
  const open = src.slice(pos, pos + 2);
  if (open !== "\\(" && open !== "\\[") return false;
  const display = open === "\\[";
  const end = next(state, display ? "\\]" : "\\)", pos + 2);
  if (end < 0 || end >= state.posMax || end - pos > MAX_INLINE) return false;
  const tex = src.slice(pos + 2, end);
  if (!(display ? looksDisplayed : looksLikeTex)(tex)) return false;
  if (/[\w)\]]/.test(src[pos - 1] ?? "") && !strong(tex)) return false; // f\(x\), item\(s\): brackets of the text
  return push(state, silent, tex, display, end + 2);
}

// Where `close` is next, or -1: looked for once, not anew from each mark before it.
/** @param {InlineState} state @param {string} close @param {number} from */
function next(state, close, from) {
  const known = (state.closes ??= {});
  if (known[close] === undefined || (known[close] >= 0 && known[close] < from)) known[close] = state.src.indexOf(close, from);
  return known[close];
}

// "\begin{pmatrix} … \end{pmatrix}" in the middle of a text.
/** @param {InlineState} state @param {boolean} silent */
function environment(state, silent) {
  const { src, pos, posMax } = state;
  const name = src[pos] === "\\" && src[pos + 1] === "b" && ENVIRONMENT.exec(src.slice(pos, pos + 30))?.[1];
  if (!name) return false;
  const close = `\\end{${name}}`;
  const end = next(state, close, pos);
  if (end < 0 || end + close.length > posMax || end - pos > MAX_INLINE) return false;
  return push(state, silent, src.slice(pos, end + close.length), true, end + close.length);
}

/** @param {InlineState} state @param {boolean} silent */
function dollar(state, silent) {
  const { src, pos } = state;
  if (src[pos] !== "$" || src[pos - 1] === "$") return false;
  if (src[pos + 1] === "$") return src[pos + 2] !== "$" && twoDollars(state, silent);
  if (/\s/.test(src[pos + 1] ?? " ")) return false;
  const end = closingDollar(state);
  if (end < 0) return false;
  const tex = src.slice(pos + 1, end);
  if (/\s$/.test(tex) || !looksLikeTex(tex)) return false;
  // "US$5", "$5/$10", "${a}-${b}": beside a letter or a figure a dollar sign opens or closes only what cannot be a price.
  if (/[A-Za-z0-9]/.test(src[pos - 1] ?? "") && !strong(tex)) return false;
  const after = src.slice(end + 1, end + 3);
  if (/^[0-9${]/.test(after) || (after[0] === "(" && tex[0] === "(")) return false;
  const ordinal = /^[A-Za-z]$/.test(tex) && /^[A-Za-z]{2}/.test(after); // the $n$th
  if (/^[A-Za-z_]/.test(after) && !ordinal && !strong(tex)) return false;
  return push(state, silent, tex, false, end + 1);
}

/** @param {InlineState} state @param {boolean} silent */
function twoDollars(state, silent) {
  const { src, pos, posMax } = state;
  const end = next(state, "$$", pos + 2);
  if (end < 0 || end + 2 > posMax || end - pos > MAX_INLINE || src[end + 2] === "$") return false;
  const tex = src.slice(pos + 2, end);
  return looksLikeTex(tex) && push(state, silent, tex, true, end + 2);
}

/** @param {InlineState} state */
function closingDollar({ src, pos, posMax }) {
  const last = Math.min(posMax, pos + MAX_INLINE + 1); // beyond it there is nothing to look for
  let end = pos + 1;
  while (end < last && src[end] !== "$") end += src[end] === "\\" ? 2 : 1;
  return end < last ? end : -1;
}

/** @param {InlineState} state @param {boolean} silent @param {string} tex @param {boolean} display @param {number} end */
function push(state, silent, tex, display, end) {
  if (!tex.trim()) return false;
  if (!silent) {
    const token = state.push("math", "span", 0);
    token.content = tex.trim();
    token.info = display ? "display" : "inline";
  }
  state.pos = end;
  return true;
}

// What a formula on lines of its own begins with: {open, close, kept} where `kept` delimiters are part of the TeX.
/** @param {string} first @returns {Opening | null} */
function opening(first) {
  if (first.startsWith("$$")) return first[2] === "$" ? null : { open: "$$", close: "$$", kept: false };
  if (first.startsWith("\\[")) return { open: "\\[", close: "\\]", kept: false };
  const found = first.startsWith("\\begin{") && ENVIRONMENT.exec(first);
  return found ? { open: found[0], close: `\\end{${found[1]}}`, kept: true } : null;
}

/** @param {BlockState} state @param {number} startLine @param {number} endLine @param {boolean} silent */
function block(state, startLine, endLine, silent) {
  if (state.sCount[startLine] - state.blkIndent >= 4 || state.sCount[startLine] < 0) return false; // below zero: it goes on a quote's paragraph
  const start = state.bMarks[startLine] + state.tShift[startLine];
  const first = state.src.slice(start, state.eMarks[startLine]);
  const begun = opening(first);
  if (!begun) return false;
  const { open, close, kept } = begun;
  /** @param {string[]} lines */
  const whole = (lines) => (kept ? open : "") + lines.join("\n");
  const lines = [];
  for (let line = startLine; line < endLine && line - startLine <= MAX_LINES; line++) {
    const from = state.bMarks[line] + state.tShift[line];
    const text = line === startLine ? first.slice(open.length) : state.src.slice(from, state.eMarks[line]);
    if (line > startLine && text && state.sCount[line] < state.blkIndent) return false;
    if (/^(`{3,}|~{3,})/.test(text)) return false;
    const end = text.indexOf(close);
    if (end < 0) {
      lines.push(text);
      continue;
    }
    if (text.slice(end + close.length).trim()) return false;
    lines.push(text.slice(0, end + (kept ? close.length : 0)));
    return !isText(begun, lines) && emit(state, silent, whole(lines), startLine, line + 1, false);
  }
  if (!state.env.streaming || endLine - startLine > MAX_LINES || (!kept && readsAsProse(lines.join("\n")))) return false;
  return emit(state, silent, whole(lines), startLine, endLine, true);
}

/** @param {Opening} begun @param {string[]} lines */
function isText({ open, kept }, lines) {
  if (kept) return false;
  const tex = lines.join("\n");
  if (lines.length > 1) return readsAsProse(tex);
  return !(open === "$$" ? looksLikeTex : standsAlone)(tex);
}

/** @param {BlockState} state @param {boolean} silent @param {string} source @param {number} startLine @param {number} nextLine @param {boolean} pending */
function emit(state, silent, source, startLine, nextLine, pending) {
  const tex = source.trim();
  if (!tex && !pending) return false;
  if (silent) return true;
  state.line = nextLine;
  const token = state.push("math_block", "div", 0);
  token.block = true;
  token.content = tex;
  token.map = [startLine, nextLine];
  token.meta = { pending };
  return true;
}
