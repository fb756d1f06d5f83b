// Emphasis beside Chinese, Japanese and Korean text. CommonMark decides by spaces and punctuation whether ** opens
// or closes, which fails in scripts without spaces: **“重点”**说明 stays plain. Here a CJK neighbour counts as a
// space does, and CJK punctuation as a letter, as in the markdown-cjk-friendly amendment.

const CJK = /[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef]|[\ud840-\ud88f][\udc00-\udfff]/;

export function cjkEmphasis(md) {
  const { isWhiteSpace, isPunctChar, isMdAsciiPunct } = md.utils;
  const isPunct = (char) => isMdAsciiPunct(char.codePointAt(0)) || isPunctChar(char);

  md.inline.State = class extends md.inline.State {
    scanDelims(start, canSplitWord) {
      const scanned = super.scanDelims(start, canSplitWord);
      if (this.src[start] !== "*" && this.src[start] !== "~") return scanned;
      const before = charBefore(this.src, start);
      const after = charAfter(this.src, start + scanned.length, this.posMax);
      if (!CJK.test(before) && !CJK.test(after)) return scanned;
      const space = (char) => isWhiteSpace(char.codePointAt(0));
      const foreignPunct = (char) => isPunct(char) && !CJK.test(char);
      const edge = (char) => space(char) || isPunct(char) || CJK.test(char);
      scanned.can_open = !space(after) && (!foreignPunct(after) || edge(before));
      scanned.can_close = !space(before) && (!foreignPunct(before) || edge(after));
      return scanned;
    }
  };
}

function charBefore(text, at) {
  if (at === 0) return " ";
  const low = text.charCodeAt(at - 1);
  return low >= 0xdc00 && low <= 0xdfff && at > 1 ? text.slice(at - 2, at) : text[at - 1];
}

function charAfter(text, at, end) {
  return at < end ? String.fromCodePoint(text.codePointAt(at)) : " ";
}
