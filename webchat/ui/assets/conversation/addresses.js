// Bare addresses in a text: http://, https://, mailto: and www. Where one ends is decided by what people expect: before
// white space, closing brackets and quotes, the marks of a sentence, and before words of scripts that are written without
// spaces (Chinese, Japanese, Korean, Thai…), unless these are evidently part of it.

/** @import { InlineState, MarkdownIt } from "./markdown.js" */

const LONGEST = 2000; // characters of a path
const MOST_LABELS = 12; // of a host
// The server counts on these (webchat/privacy/addresses.py): behind such a mark it puts personal data back.
const MARK = /[\u3000-\u303f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65“”‘’…]/;
const END = /[\s\p{C}\p{Z}<>"`\\^|]|[^\0-\x7f](?<=[\p{P}\p{S}])/u;
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー\p{Script=Bopomofo}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}]/u;
const LETTER = /[\p{L}\p{M}\p{N}]/u;
/** @type {Record<string, string>} */
const PAIRS = { ")": "(", "]": "[", "}": "{" };
const TRAILING = /[.,;:!?'*_~]+$/;
const MAIL = /^[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+/;
// Top-level domains in these scripts: behind one, prose may follow without a space.
const TOP =
  /^(?:中国|中國|公司|网络|網路|香港|台湾|台灣|澳門|澳门|新加坡|在线|中文网|网址|网站|网店|商城|商标|商店|集团|政务|政府|公益|我爱你|世界|手机|移动|信息|游戏|娱乐|みんな|コム|ストア|セール|クラウド|한국|삼성|닷컴|닷넷|ไทย|คอม|ລາວ)/;

/** For markdown-it: the inline rule for addresses with a scheme, and the finder of those that begin with www. */
/** @param {MarkdownIt} md */
export function addresses(md) {
  md.inline.ruler.at("linkify", (state, silent) => schemed(md, state, silent));
  Object.assign(md.linkify, { test: (/** @type {string} */ text) => /www\./i.test(text), match: dotted });
}

/** @param {MarkdownIt} md @param {InlineState} state @param {boolean} silent */
function schemed(md, state, silent) {
  const { src, pos, pending } = state;
  if (src[pos] !== ":" || state.linkLevel > 0) return false;
  const scheme = /(?<![A-Za-z0-9_+.-])(?:https?|mailto)$/i.exec(pending.slice(-10))?.[0];
  if (!scheme) return false;
  const begun = pos - scheme.length;
  const end = /^m/i.test(scheme) ? mailEnd(src, pos + 1) : src.startsWith("//", pos + 1) ? webEnd(src, pos + 3, begun, 0) : -1;
  if (end < 0 || end > state.posMax) return false;
  const words = src.slice(begun, end);
  if (!silent) {
    state.pending = pending.slice(0, -scheme.length);
    const open = state.push("link_open", "a", 1);
    open.attrs = [["href", md.normalizeLink(words)]];
    state.push("text", "", 0).content = md.normalizeLinkText(words);
    const close = state.push("link_close", "a", -1);
    open.markup = close.markup = "linkify";
  }
  state.pos = end;
  return true;
}

// Addresses that begin with www., as [{index, lastIndex, text, url, schema}].
/** @param {string} text */
function dotted(text) {
  const found = [];
  let from = 0;
  for (const { index } of text.matchAll(/www\./gi)) {
    const before = charBefore(text, index);
    if (index < from || (/[\p{L}\p{M}\p{N}_/@.:-]/u.test(before) && !UNSPACED.test(before))) continue;
    const end = webEnd(text, index, index, 2);
    if (end < 0) continue;
    const words = text.slice(index, end);
    found.push({ index, lastIndex: end, text: words, url: `http://${words}`, schema: "" });
    from = end;
  }
  return found;
}

/** @param {string} text @param {number} from */
function mailEnd(text, from) {
  const length = MAIL.exec(text.slice(from, from + 400))?.[0].length;
  return length ? from + length : -1;
}

// Behind the address whose host begins at `from`, or -1. begun: where the address itself begins; dots: that its host needs.
/** @param {string} text @param {number} from @param {number} begun @param {number} dots */
function webEnd(text, from, begun, dots) {
  const host = hostEnd(text, from, dots);
  if (host < 0) return -1;
  const port = /^:\d{1,5}(?![A-Za-z0-9])/.exec(text.slice(host, host + 7))?.[0].length ?? 0;
  const path = host + port;
  if (!/[/?#]/.test(text[path] ?? "")) return path;
  const end = pathEnd(text, path, begun);
  return end - (TRAILING.exec(text.slice(path, end))?.[0].length ?? 0);
}

/** @param {string} text @param {number} from @param {number} dots */
function hostEnd(text, from, dots) {
  const literal = /^\[[0-9a-f:.]{2,45}\]/i.exec(text.slice(from, from + 48));
  if (literal) return from + literal[0].length;
  const native = UNSPACED.test(charAt(text, from)); // such letters make up the host from its beginning
  let at = from;
  let labels = 0;
  for (; labels < MOST_LABELS; labels += 1) {
    const start = labels ? at + 1 : at;
    if (labels && text[at] !== ".") break;
    const end = labelEnd(text, start, native || /^[\p{L}\p{M}\p{N}-]{1,63}\.[A-Za-z]/u.test(text.slice(start, start + 66)));
    if (end === start) break;
    at = end;
  }
  const userinfo = /^(?::[^\s/@]*)?@/.test(text.slice(at, at + 100)); // the machine is another than it seems
  return labels <= dots && (dots || !labels) ? -1 : userinfo ? -1 : at;
}

// One label of a host. It keeps to one kind of letters: "https://example.com查看" names no machine "com查看".
/** @param {string} text @param {number} from @param {boolean} foreign */
function labelEnd(text, from, foreign) {
  const unspaced = UNSPACED.test(charAt(text, from));
  if (unspaced && !foreign) return from;
  const latin = /[A-Za-z]/.test(text[from] ?? "");
  let at = from;
  for (let char = charAt(text, at); char && at - from < 64; at += char.length, char = charAt(text, at)) {
    if (!/[-_]/.test(char) && !LETTER.test(char)) break;
    if (!unspaced && UNSPACED.test(char)) break;
    if (latin && /\p{L}/u.test(char) && !/\p{Script=Latin}/u.test(char)) break;
  }
  const top = unspaced && text[from - 1] === "." && text[at] !== "." ? TOP.exec(text.slice(from, at)) : null;
  if (top) return from + top[0].length;
  while (at > from && text[at - 1] === "-") at -= 1;
  return at;
}

/** @param {string} text @param {number} from @param {number} begun */
function pathEnd(text, from, begun) {
  /** @type {Record<string, number>} */
  const open = { "(": 0, "[": 0, "{": 0 };
  const last = Math.min(text.length, from + LONGEST);
  let at = from;
  while (at < last) {
    const char = charAt(text, at);
    if (MARK.test(char) || END.test(char) || (char === "'" && !/[A-Za-z0-9]/.test(text[at + 1] ?? ""))) break;
    if (char in open) open[char] += 1;
    else if (char in PAIRS && (open[PAIRS[char]] -= 1) < 0) break;
    const end = UNSPACED.test(char) ? foreignEnd(text, at, begun) : at + char.length;
    if (end === at) break;
    at = end;
  }
  return at;
}

// Behind letters of a script without spaces that are part of a path or a query, or `at` where they are prose. They are
// part of it as a value ("?q=北京", "#安装"), where more of the address follows ("/文档/a.html"), or where they fill a piece of
// it up to its end and its writer puts spaces or marks around addresses ("见 https://zh.wikipedia.org/wiki/中国").
/** @param {string} text @param {number} at @param {number} begun */
function foreignEnd(text, at, begun) {
  if (!/[/?#&=_:+(-]/.test(text[at - 1])) return at;
  const words = /^[\p{L}\p{M}\p{N}]{1,40}/u.exec(text.slice(at, at + 80))?.[0].replace(/[A-Za-z0-9]+$/, "") ?? "";
  const end = at + words.length;
  if (/[=#]/.test(text[at - 1])) return end;
  const rest = text.slice(end, end + 4);
  if (/^\)?[/?#&=_.+-][A-Za-z0-9%]|^\/(?:$|\s)/.test(rest)) return end;
  const glued = UNSPACED.test(charBefore(text, begun));
  return !glued && (/^(?:$|[\s)\]>"'/_,;])/.test(rest) || MARK.test(rest[0])) ? end : at;
}

/** @param {string} text @param {number} at */
function charAt(text, at) {
  return at < text.length ? String.fromCodePoint(text.codePointAt(at) ?? 0) : "";
}

/** @param {string} text @param {number} at */
function charBefore(text, at) {
  const low = text.charCodeAt(at - 1);
  return low >= 0xdc00 && low <= 0xdfff ? text.slice(at - 2, at) : (text[at - 1] ?? "");
}
