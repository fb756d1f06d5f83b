// The few HTML elements that models write within a line: <br>, and pairs without attributes that hold words. All other
// HTML, a tag without its partner, and tags that are only spoken of ("from <b> to </b>"), are text.

/** @import { InlineState, MarkdownIt } from "./markdown.js" */

const PAIRED = /^<(sub|sup|kbd|mark|ins|u|small|b|strong|i|em)>(?=\S)/i;

/** @param {MarkdownIt} md */
export function tags(md) {
  md.inline.ruler.before("html_inline", "line_break", lineBreak);
  md.inline.ruler.before("html_inline", "paired_tag", pairedTag);
}

/** @param {InlineState} state @param {boolean} silent */
function lineBreak(state, silent) {
  const match = /^<br\s*\/?>/i.exec(state.src.slice(state.pos, state.pos + 8));
  if (!match) return false;
  if (!silent) state.push("hardbreak", "br", 0);
  state.pos += match[0].length;
  return true;
}

/** @param {InlineState} state @param {boolean} silent */
function pairedTag(state, silent) {
  const { src, pos, posMax } = state;
  const opening = src[pos] === "<" && PAIRED.exec(src.slice(pos, pos + 10));
  if (!opening) return false;
  const name = opening[1].toLowerCase();
  const end = next(state, name, pos);
  if (end < 0 || end + name.length + 3 > posMax || end === pos + opening[0].length || /\s/.test(src[end - 1])) return false;
  if (!silent) {
    state.push(`${name}_open`, name, 1);
    Object.assign(state, { pos: pos + opening[0].length, posMax: end });
    state.md.inline.tokenize(state);
    state.posMax = posMax;
    state.push(`${name}_close`, name, -1);
  }
  state.pos = end + name.length + 3;
  return true;
}

// Where the tag that closes `name` is next, or -1: looked for once, not anew from each opening one.
/** @param {InlineState} state @param {string} name @param {number} from */
function next(state, name, from) {
  const known = (state.partners ??= {});
  if (known[name] === undefined || (known[name] >= 0 && known[name] < from)) {
    const closing = new RegExp(`</${name}>`, "gi");
    closing.lastIndex = from;
    known[name] = closing.exec(state.src)?.index ?? -1;
  }
  return known[name];
}
