// HTML for code and formulas, by libraries that are loaded when first needed: the same in the page and in its worker.

/** @typedef {{ kind: "code" | "math", source: string, how: string | boolean }} Request how: the language, or whether a formula stands by itself */
/** @typedef {{ html?: string, error?: string }} Made */

/** @param {string} path */
const vendor = (path) => new URL(`../vendor/${path}`, import.meta.url).href;

export const LOAD = {
  /** @returns {Promise<import("highlight.js").HLJSApi>} */
  code: async () => (await import(vendor("highlight/highlight.js"))).default,
  /** @returns {Promise<typeof import("katex")>} */
  math: async () => {
    await import(vendor("katex/katex.js"));
    return /** @type {any} */ (globalThis).katex;
  },
};

const MAKE = {
  /** @param {import("highlight.js").HLJSApi} hljs @param {string} source @param {string} language */
  code: (hljs, source, language) => hljs.highlight(source, { language, ignoreIllegals: true }).value,
  /** @param {typeof import("katex")} katex @param {string} tex @param {boolean} displayMode */
  math: ({ renderToString }, tex, displayMode) =>
    renderToString(tex, { displayMode, trust: false, strict: "ignore", maxSize: 20, maxExpand: 500, throwOnError: true }),
};

/** What `library` makes of a source: {html}, or {error} where it cannot. how: the language, or whether a formula
 *  stands by itself. */
/** @param {any} library @param {Request} request @returns {Made} */
export function make(library, { kind, source, how }) {
  try {
    return { html: MAKE[kind](library, source, /** @type {never} */ (how)) };
  } catch (error) {
    return { error: error.message };
  }
}
