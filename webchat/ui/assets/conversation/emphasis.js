// Emphasis where CommonMark leaves the asterisks standing. It decides by spaces and punctuation whether ** opens or
// closes, which fails in scripts that are written without spaces, **“重点”**说明, and where a word follows at once:
// **Note:**this. Here a neighbour of such a script counts as a space does, and its punctuation as a letter, as in the
// markdown-cjk-friendly amendment; **, __ and ~~ behind the mark that ends a phrase close; and __ works beside these
// scripts, too, but never inside names: snake__case, __init__.

/** @import { InlineState, MarkdownIt } from "./markdown.js" */

const UNSPACED =
  /[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff]|[\ud840-\ud88f][\udc00-\udfff]/;
const ENDING = /[.,:;!?%)\]}"'”’“»›…։،؛؟।॥۔]/; // what comes before a mark that closes, never before one that only opens
// Names with a meaning in Python, JavaScript, PHP or C; others are told by what stands around them.
const NAMES = new Set(
  (
    "abs add aenter aexit aiter all and anext annotations asm attribute await bases bool builtins bytes call class closure code complex contains " +
    "copy debug deepcopy defaults del delattr delete delitem dict dir dirname doc enter eq exit file filename float floordiv format " +
    "func ge get getattr getattribute getitem getstate globals gt hash iadd import imul index init instancecheck int invert isub iter " +
    "le len loader lt main matmul missing mod module mro mul name ne neg new next or package path pos post pow prepare proto qualname " +
    "radd reduce repr reversed rmul round rsub set setattr setitem setstate sizeof slots spec str sub subclasses traceback truediv " +
    "version weakref wrapped xor FILE LINE DATE TIME FUNCTION CLASS METHOD NAMESPACE DIR COUNTER STDC"
  ).split(" "),
);

/** @param {MarkdownIt} md */
export function emphasis(md) {
  md.inline.ruler.before("emphasis", "name", name);
  const { isWhiteSpace, isPunctChar, isMdAsciiPunct } = md.utils;
  /** @param {string} char */
  const isPunct = (char) => isMdAsciiPunct(char.codePointAt(0) ?? 0) || isPunctChar(char);
  /** @param {string} char */
  const isSpace = (char) => isWhiteSpace(char.codePointAt(0) ?? 0);

  md.inline.State = class extends md.inline.State {
    /** @param {number} start @param {boolean} canSplitWord */
    scanDelims(start, canSplitWord) {
      const scanned = super.scanDelims(start, canSplitWord);
      const { src, posMax } = this;
      const end = start + scanned.length;
      const mark = src[start];
      if (mark === "_" && scanned.length !== 2) return scanned;
      const before = charBefore(src, start);
      const after = charAfter(src, end, posMax);
      /** @param {string} char */
      const edge = (char) => isSpace(char) || isPunct(char) || UNSPACED.test(char);
      if (mark === "_") {
        if (UNSPACED.test(before) || UNSPACED.test(after)) {
          scanned.can_open = !isSpace(after) && edge(before);
          scanned.can_close = !isSpace(before) && edge(after);
        }
        scanned.can_close ||= ENDING.test(before) || (UNSPACED.test(before) && isPunct(before));
        return scanned;
      }
      if (UNSPACED.test(before) || UNSPACED.test(after)) {
        /** @param {string} char */
        const foreignPunct = (char) => isPunct(char) && !UNSPACED.test(char);
        scanned.can_open = !isSpace(after) && (!foreignPunct(after) || edge(before));
        scanned.can_close = !isSpace(before) && (!foreignPunct(before) || edge(after));
      } else if (scanned.length >= 2 && ENDING.test(before)) scanned.can_close = true;
      scanned.can_open &&= after !== "/" && !(before === "/" && scanned.length === 1); // **/*.js
      scanned.can_close &&= before !== "/";
      return scanned;
    }
  };
}

// "__init__", "__my_name__", "x.__field__", "__call__(": a name in a program keeps its underscores.
/** @param {InlineState} state @param {boolean} silent */
function name(state, silent) {
  const { src, pos, posMax } = state;
  if (src[pos] !== "_" || src[pos + 1] !== "_") return false;
  const found = /^__([A-Za-z0-9]+(?:_[A-Za-z0-9]+)*)__(?!_)/.exec(src.slice(pos, pos + 80));
  if (!found || pos + found[0].length > posMax) return false;
  const field = /[\w)\]]\.$/.test(src.slice(Math.max(0, pos - 2), pos));
  if (!NAMES.has(found[1]) && !found[1].includes("_") && !field && !/[([]/.test(src[pos + found[0].length] ?? "")) return false;
  if (!silent) state.pending += found[0];
  state.pos += found[0].length;
  return true;
}

/** @param {string} text @param {number} at */
function charBefore(text, at) {
  if (at === 0) return " ";
  const low = text.charCodeAt(at - 1);
  return low >= 0xdc00 && low <= 0xdfff && at > 1 ? text.slice(at - 2, at) : text[at - 1];
}

/** @param {string} text @param {number} at @param {number} end */
function charAfter(text, at, end) {
  return at < end ? String.fromCodePoint(text.codePointAt(at) ?? 0) : " ";
}
