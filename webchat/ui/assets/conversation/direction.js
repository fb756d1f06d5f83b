// Which way words run: each paragraph, item, heading and cell by its own first letter. Code, formulas, keys and addresses
// are no text to judge by, and run from left to right.

import { readWords } from "./reading.js";

/** @import { MarkdownIt, Reader, Token } from "./markdown.js" */

const RIGHT_TO_LEFT = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u;
const OWN = new Set(["paragraph_open", "heading_open", "list_item_open", "summary_open"]);
const WHOLE = new Set(["bullet_list_open", "ordered_list_open", "table_open", "blockquote_open", "details_open"]);

/** @param {MarkdownIt} md */
export function directions(md) {
  md.core.ruler.push("directions", (state) => {
    /** @type {Token[]} */
    const tokens = state.tokens;
    for (const token of tokens) for (const part of token.children ?? []) if (apart(part)) part.attrSet("dir", "ltr");
    /** @type {string[]} */
    const inside = []; // what of the open elements has a direction of its own
    for (const [index, token] of tokens.entries()) {
      if (token.nesting < 0) inside.pop();
      if (token.nesting <= 0) continue;
      const judged = inside.includes("own"); // a paragraph in an item: the item is judged by it, so it is not by itself
      if (OWN.has(token.type) && !(judged && token.type === "paragraph_open")) token.attrSet("dir", "auto");
      // `auto` passes over what has a direction: a list whose items have theirs would know none.
      if (WHOLE.has(token.type)) {
        const left = token.within ? partRunsLeft(state, token) : runsLeft(state, tokens, index);
        if (inside.length || left) token.attrSet("dir", left ? "rtl" : "ltr");
      }
      inside.push(OWN.has(token.type) || token.type === "note_open" ? "own" : "");
    }
  });
  const { code_inline: code } = md.renderer.rules;
  md.renderer.rules.code_inline = (tokens, index, ...rest) => {
    tokens[index].attrSet("dir", "ltr");
    return code?.(tokens, index, ...rest) ?? "";
  };
}

// Keys to press, and addresses that are shown as such.
/** @param {Token} token */
const apart = ({ type, markup }) => type === "kbd_open" || (type === "link_open" && /^(?:linkify|autolink)$/.test(markup));

/** The same of an element that is drawn in parts: by the whole. */
/** @param {Reader} reader @param {Token} token @returns {boolean} */
export function partRunsLeft({ md, env }, token) {
  return (token.runsLeft ??= token.within ? runsLeft({ md, env }, ...token.within) : false);
}

// By the first letter below the element that opens at `index`.
/** @param {Reader} state @param {Token[]} tokens @param {number} index */
function runsLeft(state, tokens, index) {
  const { level } = tokens[index];
  for (let at = index + 1; at < tokens.length && tokens[at].level > level; at += 1) {
    /** @type {number | null} */
    let skipped = null; // the level of an element that is no text to judge by
    for (const part of read(state, tokens, at)) {
      if (skipped === null && apart(part)) skipped = part.level;
      else if (skipped === part.level && part.nesting < 0) skipped = null;
      const letter = skipped === null && part.type === "text" && /\p{L}/u.exec(part.content)?.[0];
      if (letter) return RIGHT_TO_LEFT.test(letter);
    }
  }
  return false;
}

// What a token holds. Of a part that is not drawn yet nothing is read so far: it is read here, with what says whether it
// begins with the box of a task.
/** @param {Reader} reader @param {Token[]} tokens @param {number} at */
function read({ md, env }, tokens, at) {
  const token = tokens[at];
  if (token.type !== "inline" || token.children?.length || !/\p{L}/u.test(token.content)) return token.children ?? [];
  const from = tokens[at - 2]?.type === "list_item_open" ? at - 2 : at;
  /** @type {Token[]} */
  const copies = tokens.slice(from, at + 1).map((one) => Object.assign(Object.create(one), { attrs: null, children: one.children && [] }));
  readWords(md, copies, env);
  return copies[copies.length - 1].children ?? [];
}
