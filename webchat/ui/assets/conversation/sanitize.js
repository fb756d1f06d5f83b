// The last step before anything made from a model's or a person's words enters the page.

import DOMPurify from "../vendor/dompurify/purify.js";

/** @typedef {import("../vendor/dompurify/purify.js").Config & { RETURN_DOM_FRAGMENT: true }} Rules */

/** @type {Rules} */
const PROSE = {
  ALLOWED_TAGS: (
    "a b blockquote br button code del details div em h1 h2 h3 h4 h5 h6 hr i input ins kbd li mark ol p pre s small span strong " +
    "sub summary sup table tbody td th thead tr u ul"
  ).split(" "),
  ALLOWED_ATTR: "aria-label checked class data-act data-lang data-media data-note data-note-back data-type dir disabled href open role start tabindex title type".split(" "),
  ADD_URI_SAFE_ATTR: "checked data-act data-lang data-media data-note data-note-back data-type dir disabled open start tabindex type".split(" "),
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: true,
  RETURN_DOM_FRAGMENT: true,
};

/** @type {Rules} */
const CODE = { ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"], ALLOW_DATA_ATTR: false, RETURN_DOM_FRAGMENT: true };

/** @type {Rules} */
const MATH = {
  ALLOWED_TAGS: (
    "span svg path line math semantics annotation mrow mi mo mn ms mtext mspace msup msub msubsup mfrac msqrt mroot " +
    "mover munder munderover mtable mtr mtd mpadded mphantom menclose mstyle"
  ).split(" "),
  ALLOWED_ATTR: (
    "accent accentunder aria-hidden class columnalign columnlines columnspacing d display displaystyle encoding fence height " +
    "linethickness lspace mathbackground mathcolor mathsize mathvariant maxsize minsize notation preserveaspectratio " +
    "rowlines rowspacing rspace scriptlevel separator stretchy style viewbox voffset width x1 x2 xmlns y1 y2"
  ).split(" "),
  ADD_URI_SAFE_ATTR: ["style", "d", "encoding"],
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

// What KaTeX writes into style attributes: lengths and colours.
const STYLE =
  /^(?:(?:(?:min-|max-)?(?:width|height)|top|left|right|bottom|vertical-align|(?:margin|padding)(?:-\w+)?|border(?:-\w+)*|(?:background-)?color)\s*:\s*[-\w.#% ]+|position\s*:\s*relative)$/;

const prosePurifier = DOMPurify(window);
prosePurifier.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName !== "A") return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer");
});

const codePurifier = DOMPurify(window);

const mathPurifier = DOMPurify(window);
mathPurifier.addHook("uponSanitizeAttribute", (_node, attribute) => {
  if (attribute.attrName !== "style") return;
  const declarations = attribute.attrValue.split(";").map((part) => part.trim());
  if (!declarations.every((part) => !part || STYLE.test(part))) attribute.keepAttr = false;
});

/** A fragment of prose: the tags of Markdown, links to http, https and mailto that open elsewhere, no styles. */
/** @param {string} html */
export const prose = (html) => prosePurifier.sanitize(html, PROSE);

/** A fragment of highlighted code: spans with classes. */
/** @param {string} html */
export const code = (html) => codePurifier.sanitize(html, CODE);

/** A fragment of KaTeX's output: spans, MathML, its few SVG shapes, lengths and colours as styles. */
/** @param {string} html */
export const math = (html) => mathPurifier.sanitize(html, MATH);
