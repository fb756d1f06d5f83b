// One tree of elements made like another, with as few changes as possible: a selection, the focus and what is coloured stay.

import { keepUnfolding } from "./details.js";
import { alike, awaited, becomes } from "./extras.js";

/** Make `shown` hold what `wanted` holds, from its child `first` on up to what is `foreign`, keeping every node that is the
 *  same already. */
/** @param {Node} shown @param {Node} wanted @param {ChildNode | null} [first] @param {(node: Node) => boolean} [foreign] */
export function morph(shown, wanted, first = shown.firstChild, foreign = () => false) {
  /** @type {ChildNode | null} */
  let end = null; // the foreign node behind
  /** @param {ChildNode | null} node */
  const own = (node) => {
    if (!node || !foreign(node)) return node;
    end = node;
    return null;
  };
  let old = own(first);
  for (let next = wanted.firstChild; next; ) {
    const following = next.nextSibling;
    keepUnfolding(old, next);
    if (!old) {
      shown.insertBefore(next, end);
    } else if (old instanceof Text && next instanceof Text) {
      if (next.data.startsWith(old.data)) old.appendData(next.data.slice(old.data.length));
      else if (old.data !== next.data) old.data = next.data;
    } else if (!old.isEqualNode(next) && !alike(old, next)) {
      if (awaited(next)) {
        if (goesOn(next, old)) next.replaceChildren(...old.childNodes, next.textContent.slice(old.textContent?.length)); // the old ones, until then
        old.replaceWith(next);
        old = next;
      } else if (old.nodeName === next.nodeName && old instanceof Element && next instanceof Element && !old.classList.contains("wc-math")) {
        becomes(old, next);
        morphAttributes(old, next);
        morph(old, next, old.firstChild, foreign);
      } else {
        const replaced = old;
        old = next;
        replaced.replaceWith(next);
      }
    }
    old = own(old?.nextSibling ?? null);
    next = following;
  }
  while (old) {
    const following = own(old.nextSibling);
    old.remove();
    old = following;
  }
}

// Whether code is what was shown, coloured perhaps, and more.
/** @param {Element} code @param {Node} before */
const goesOn = (code, before) => code.nodeName === "CODE" && before instanceof Element && before.nodeName === "CODE" && before.firstElementChild && code.textContent.startsWith(before.textContent);

/** @param {Element} old @param {Element} next */
function morphAttributes(old, next) {
  /** @param {Element} element */
  const names = ({ attributes }) => [...attributes].map(({ name }) => name).join(" ");
  if (names(old) !== names(next)) for (const { name } of [...old.attributes]) old.removeAttribute(name); // their order is seen in what is copied
  for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
}
