// A long list, table or quote in parts of some items or rows, each read and drawn by itself. Put together they are what
// the whole would be. A part: {before, tokens, after}, the elements that are open before it, what it has of the block,
// and the elements that are open behind it.

/** @import { Token } from "./markdown.js" */
/** @typedef {{ before: Token[], tokens: Token[], after: Token[], used?: string[] }} Part */

export const SIZE = 300; // of a part: a token counts as 1, and so do 20 characters of text

const WITHIN = new Set(["bullet_list_open", "ordered_list_open", "list_item_open", "blockquote_open", "details_open", "table_open", "tbody_open"]);

/** A block's tokens in parts. */
/** @param {Token[]} tokens @param {number} [size] */
export function partsOf(tokens, size = SIZE) {
  /** @type {Part[]} */
  const parts = [];
  /** @type {Token[]} */
  const open = [];
  /** @type {Omit<Part, "after">} */
  let part = { before: [], tokens: [] };
  let weight = 0;
  const end = () => parts.push({ ...part, after: [...open] });
  for (const [index, token] of tokens.entries()) {
    if (weight >= size && divides(tokens[index - 1], token, open)) {
      end();
      for (const one of open) one.within ??= [tokens, tokens.indexOf(one)]; // its direction depends on what follows
      part = { before: [...open], tokens: [] };
      weight = 0;
    }
    part.tokens.push(token);
    weight += 1 + token.content.length / 20;
    if (token.nesting > 0) open.push(token);
    else if (token.nesting < 0) open.pop();
  }
  end();
  return parts;
}

// Whether a part may end between two tokens: only between children of what is known to be put together again.
/** @param {Token} before @param {Token} token @param {Token[]} open */
function divides(before, token, open) {
  if (!open.length || before.nesting > 0 || before.hidden || token.nesting < 0 || token.hidden || token.type === "inline") return false;
  return open.every(({ type }) => WITHIN.has(type));
}

/** The part as a text of its own, within the elements that are open. */
/** @param {Part} part @returns {Token[]} */
export function alone({ before, tokens, after }) {
  /** @param {Token} token @returns {Token} */
  const close = ({ constructor: Token, type, tag, level }) => Object.assign(new /** @type {any} */ (Token)(type.replace("_open", "_close"), tag, -1), { level, block: true });
  return [...before, ...tokens, ...after.map(close).reverse()];
}

/** What tells a part from another, before it is read for marks within its words. */
/** @param {Part} part */
export function keyOf({ before, tokens, after }) {
  return JSON.stringify([before.length, after.length, tokens.map(({ type, hidden, tag, attrs, info, meta, content }) => [type, hidden, tag, attrs, info, meta, content])]);
}

/** @param {Token[]} open */
const elements = (open) => open.reduce((sum, { type }) => sum + (type === "table_open" ? 2 : 1), 0);

/** What is drawn of a part, as a fragment for each element that is open before it, outermost first, and for the block. */
/** @param {DocumentFragment} content @param {Part} part */
export function byLevel(content, { before, after }) {
  /** @type {ParentNode} */
  let place = content;
  for (let left = elements(after); left > 0; left -= 1) {
    const last = place.lastElementChild;
    if (!last) break;
    while (last.nextSibling) last.nextSibling.remove(); // the end of the line that closes it is not written yet
    place = last;
  }
  /** @type {(ParentNode & Node)[]} */
  const spine = [content];
  for (let left = elements(before); left > 0; left -= 1) spine.push(/** @type {Element} */ (spine[spine.length - 1].firstElementChild));
  const inner = spine[spine.length - 1];
  if (spine.length > 1 && inner.firstChild instanceof Text && inner.firstChild.data === "\n") inner.firstChild.remove();
  /** @type {DocumentFragment[]} */
  const fragments = [];
  for (const [level, element] of [...spine.entries()].reverse()) {
    const fragment = document.createDocumentFragment();
    let node = element === inner ? element.firstChild : spine[level + 1].nextSibling;
    while (node) {
      const following = node.nextSibling;
      fragment.append(node);
      node = following;
    }
    fragments[level] = fragment;
  }
  return fragments;
}
