// HTML for code and formulas, by libraries that are loaded when first needed: the same in the page and in its worker.

const vendor = (path) => new URL(`../vendor/${path}`, import.meta.url).href;

export const LOAD = {
  code: async () => (await import(vendor("highlight/highlight.js"))).default,
  math: async () => {
    await import(vendor("katex/katex.js"));
    return globalThis.katex;
  },
};

const MAKE = {
  code: (hljs, source, language) => hljs.highlight(source, { language, ignoreIllegals: true }).value,
  math: ({ renderToString }, tex, displayMode) =>
    renderToString(tex, { displayMode, trust: false, strict: "ignore", maxSize: 20, maxExpand: 500, throwOnError: true }),
};

/** What `library` makes of a source: {html}, or {error} where it cannot. how: the language, or whether a formula
 *  stands by itself. */
export function make(library, { kind, source, how }) {
  try {
    return { html: MAKE[kind](library, source, how) };
  } catch (error) {
    return { error: error.message };
  }
}
