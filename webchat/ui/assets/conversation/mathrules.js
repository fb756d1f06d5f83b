// Formulas for markdown-it: $..$, $$..$$, \(..\), \[..\]. Tokens: `math` (info "inline" or "display") and `math_block`.
// An open block formula at the end of a text that still streams becomes a `math_block` with meta.pending, so that
// nothing after it is taken for Markdown; env.streaming says that more text may come.

const MAX_LINES = 40; // a formula longer than this is a stray delimiter
const MAX_INLINE = 2000;

export function mathRules(md) {
  md.inline.ruler.before("escape", "math_paren", paren);
  md.inline.ruler.after("escape", "math_dollar", dollar);
  md.block.ruler.before("fence", "math_block", block, { alt: ["paragraph", "reference", "blockquote", "list"] });
}

function paren(state, silent) {
  const open = state.src.slice(state.pos, state.pos + 2);
  if (open !== "\\(" && open !== "\\[") return false;
  const end = next(state, open === "\\(" ? "\\)" : "\\]", state.pos + 2);
  if (end < 0 || end >= state.posMax || end - state.pos > MAX_INLINE) return false;
  return push(state, silent, state.src.slice(state.pos + 2, end), open === "\\[", end + 2);
}

// Where `close` is next, or -1: looked for once, not anew from each mark before it.
function next(state, close, from) {
  const known = (state.closes ??= {});
  if (known[close] === undefined || (known[close] >= 0 && known[close] < from)) known[close] = state.src.indexOf(close, from);
  return known[close];
}

function dollar(state, silent) {
  const { src, pos, posMax } = state;
  if (src[pos] !== "$") return false;
  if (src[pos + 1] === "$") {
    const end = next(state, "$$", pos + 2);
    if (end < 0 || end + 2 > posMax || end - pos > MAX_INLINE) return false;
    return push(state, silent, src.slice(pos + 2, end), true, end + 2);
  }
  if (/[A-Za-z0-9]/.test(src[pos - 1] ?? "") || /\s/.test(src[pos + 1] ?? " ")) return false;
  let end = pos + 1;
  const last = Math.min(posMax, pos + MAX_INLINE + 1); // beyond it there is nothing to look for
  while (end < last && src[end] !== "$") end += src[end] === "\\" ? 2 : 1;
  if (end >= last) return false;
  const tex = src.slice(pos + 1, end);
  if (/\s$/.test(tex) || /[A-Za-z0-9$]/.test(src[end + 1] ?? "") || looksLikeMoney(tex)) return false;
  return push(state, silent, tex, false, end + 1);
}

// "$5 (US$)": begins with a figure and goes on in words.
function looksLikeMoney(tex) {
  if (!/^\d/.test(tex)) return false;
  const bare = tex.replace(/\\(?:text|mathrm|operatorname)\s*\{[^}]*\}|\\[A-Za-z]+/g, "");
  return /[\s,/(，。（、][^\\^_={}]*[A-Za-z\u3400-\u9fff]{2}/.test(bare) || /[，。、]/.test(bare);
}

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

function block(state, startLine, endLine, silent) {
  if (state.sCount[startLine] - state.blkIndent >= 4 || state.sCount[startLine] < 0) return false; // below zero: it goes on a quote's paragraph
  const start = state.bMarks[startLine] + state.tShift[startLine];
  const first = state.src.slice(start, state.eMarks[startLine]);
  const open = first.slice(0, 2);
  if (open !== "$$" && open !== "\\[") return false;
  const close = open === "$$" ? "$$" : "\\]";
  const lines = [];
  for (let line = startLine; line < endLine && line - startLine <= MAX_LINES; line++) {
    const from = state.bMarks[line] + state.tShift[line];
    const text = line === startLine ? first.slice(2) : state.src.slice(from, state.eMarks[line]);
    if (line > startLine && text && state.sCount[line] < state.blkIndent) return false;
    if (/^(`{3,}|~{3,})/.test(text)) return false;
    const end = text.indexOf(close);
    if (end < 0) {
      lines.push(text);
      continue;
    }
    if (text.slice(end + 2).trim()) return false;
    lines.push(text.slice(0, end));
    return emit(state, silent, lines, startLine, line + 1, false);
  }
  if (!state.env.streaming || endLine - startLine > MAX_LINES) return false;
  return emit(state, silent, lines, startLine, endLine, true);
}

function emit(state, silent, lines, startLine, nextLine, pending) {
  const tex = lines.join("\n").trim();
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
