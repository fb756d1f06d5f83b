// Whether what stands between two delimiters is a formula, or prose, prices and shell that happen to hold the same
// characters. Judged by the shape of the text: TeX is commands, sub- and superscripts, operators and short names.

const NAMED = /\\(?:text\w*|math(?:rm|sf|tt|it|bf)|operatorname\*?|mbox|begin|end|tag|label)\s*\{[^{}]*\}/g; // words by intention
const COMMAND = /\\(?:[A-Za-z]{2,}|[,;:! {}|\\%])/;
const RAISED = /[\p{L}\p{N})\]}|'!∑∏∫][\^_][{\\\p{L}\p{N}*+\-'(∞†]/u;
const LONG_BASE = /[A-Za-z]{4,}\d*_/; // snake_case
const RELATION = /[=<>≤≥≠≈≡∈→⇒±×÷·∞√∑∫∂∇+\-*/|]/;
// What no formula without a command has: quotes, marks of sentences and programs, a word behind a figure, a lone apostrophe.
const STRANGE = /["`“”„«»…–—@#&%€£¥]|\*\*|\]\(|:\/\/|\p{L}{2}\.\p{L}{2}|\p{L}{2}->|\d\p{L}{4}|(?<![\p{L}\p{N})\]}'])'/u;
const START = /^(?:[,;:?)}%&@#'"/]|\.(?!\d)|\*.|\|[\^_])/;
const END = /[([{,;:&=/<]$|(?<![\^_{])[+\-*>]$/;
const LETTERS = "\\p{L}\\p{M}";
const WORD = new RegExp(`^["'(\\[]*[${LETTERS}]{2,}(?:['’-][${LETTERS}]+)*[.,;:!?)\\]"']*$`, "u");
const OPERATOR = /^[-+*/=<>≤≥≠≈≡∈→⇒±×÷·|&:,∎]+$/u;
const FUNCTIONS = new Set(
  (
    "sin cos tan cot sec csc sinh cosh tanh arcsin arccos arctan log ln lg exp lim max min sup inf det dim ker gcd lcm mod arg deg Pr div " +
    "curl grad tr rank"
  ).split(" "),
);
const DIFFERENTIAL = /^d[a-zθφ]$/;
const LONE = /^(?:[\p{L}\p{M}]{4,}\d*|\p{L}{2,}(?:\|\p{L}{2,})+)$/u; // a word, or some to choose from
const CAPITALS = /^\p{Lu}{1,6}$/u;
const UNSPACED = /[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7ff]/;
const UNSPACED_MARK = /[\u3000-\u303f\uff01-\uff0f\uff1a-\uff20]/;

/** Words that stand beside other words or figures with nothing but a space between them. */
/** @param {string} tex */
function prose(tex) {
  const chunks = tex.replace(NAMED, " ∎ ").replace(/\\(?:[A-Za-z]+|.)/g, " ∎ ").split(/\s+/).filter(Boolean);
  /** @param {string} [chunk] */
  const apart = (chunk) => chunk === undefined || OPERATOR.test(chunk);
  /** @param {string} word */
  const mathematical = (word) => FUNCTIONS.has(word) || DIFFERENTIAL.test(word);
  /** @param {string} chunk */
  const word = (chunk) => WORD.test(chunk) && !mathematical(chunk.replace(/^\(|[,)]$/g, ""));
  return chunks.filter((chunk, at) => word(chunk) && !(apart(chunks[at - 1]) && apart(chunks[at + 1]))).length;
}

/** @param {string} text @param {string} marks */
const count = (text, marks) => [...text].filter((char) => marks.includes(char)).length;

/** @param {string} tex */
function balanced(tex) {
  const paired = count(tex, "([{") === count(tex, ")]}") && !/^[^([{]*[)\]}]/.test(tex);
  return paired && (count(tex, "|") % 2 === 0 || !/^\||\|$/.test(tex)); // one alone is between two things: P(A|B)
}

/** Whether `tex` has what only TeX has: a command, or a sub- or superscript. */
/** @param {string} tex */
export function strong(tex) {
  return COMMAND.test(tex) || scripted(tex);
}

/** @param {string} tex */
const scripted = (tex) => RAISED.test(tex) && !LONG_BASE.test(tex);

/** Whether the text between two dollar signs, or in `\(…\)`, is a formula. */
/** @param {string} source */
export function looksLikeTex(source) {
  const tex = source.trim();
  if (!tex || START.test(tex)) return false;
  if (COMMAND.test(tex)) return !/[([{]$/.test(tex) && prose(tex) < (/^\d/.test(tex) ? 2 : 4);
  if (/\\[A-Za-z]/.test(tex) || STRANGE.test(tex.replace(/\\./g, "x")) || UNSPACED_MARK.test(tex) || !balanced(tex) || prose(tex) > 0) return false;
  if (/^[-+*<>=±×÷·]$/.test(tex)) return true;
  if (!/[\p{L}\p{N}∞∅]/u.test(tex) || END.test(tex) || (LONE.test(tex) && !CAPITALS.test(tex))) return false;
  if (UNSPACED.test(tex)) return RELATION.test(tex) && !/^\d/.test(tex);
  return !LONG_BASE.test(tex);
}

/** Whether the text between `\[` and `\]` within a line is a formula. Brackets are escaped for other reasons, too: a
 *  source [1], a pattern [a-z], an index a[i], an option [name=value]. */
/** @param {string} tex */
export function looksDisplayed(tex) {
  if (!looksLikeTex(tex)) return false;
  return strong(tex) || (/[=<>≤≥≠≈]/.test(tex) && !/\p{L}{4}|^\s*-/u.test(tex));
}

/** The same where the brackets have a line of their own. */
/** @param {string} tex */
export function standsAlone(tex) {
  if (looksDisplayed(tex)) return true;
  const bracketed = /^[\d\s,.–-]+$|^(?:\w-\w)+$|^\p{L}{3,}$/u; // sources, characters, a word
  return looksLikeTex(tex) && !bracketed.test(tex);
}

/** Whether what is set apart on lines of its own is words all the same. `tex` may have no end yet. */
/** @param {string} tex */
export function readsAsProse(tex) {
  return prose(tex) >= (COMMAND.test(tex) ? 6 : 3);
}

/** Whether text behind a dollar sign, whose end has not come yet, may still become a formula. */
/** @param {string} tex */
export function mayBecomeTex(tex) {
  if (START.test(tex) || /^\s/.test(tex)) return false;
  return prose(tex.replace(/\S*$/, "")) < (COMMAND.test(tex) ? 2 : 1);
}
