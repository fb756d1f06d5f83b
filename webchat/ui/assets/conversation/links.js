// Links to where this page cannot go: within documents that are elsewhere ("./guide.md", "#top"), or to other programs.
// They are drawn as their words, with the address as title.

import { ruleOf } from "./rules.js";

/** @import { InlineState, MarkdownIt } from "./markdown.js" */

/** Addresses that the page links to. */
export const FOLLOWED = /^(?:https?:|mailto:)/i;

/** @param {MarkdownIt} md */
export function links(md) {
  /** @type {"" | "definition" | "link"} of what kind of link the address is */
  let within = "";
  const allowed = { "": FOLLOWED, definition: new RegExp(`${FOLLOWED.source}|[/.#]`, "i"), link: /./ };
  md.validateLink = (url) => allowed[within].test(url);
  /** @param {"" | "definition" | "link"} kind @param {() => boolean} work */
  const during = (kind, work) => {
    const before = within;
    within = kind;
    const done = work();
    within = before;
    return done;
  };
  for (const name of ["link", "image"]) {
    const read = ruleOf(md.inline.ruler, name);
    /** @param {InlineState} state */
    const called = ({ src, pos }) => name === "link" && /[\w)\]]/.test(src[pos - 1] ?? ""); // handlers[0](event) is no link
    md.inline.ruler.at(name, (state, silent) => during(called(state) ? "" : "link", () => read(state, silent)));
  }
  const define = ruleOf(md.block.ruler, "reference");
  md.block.ruler.at("reference", (state, line, endLine, silent) => {
    const note = state.src.startsWith("[^", state.bMarks[line] + state.tShift[line]); // where it can be none, it is text
    return !note && during("definition", () => define(state, line, endLine, silent));
  });
  md.core.ruler.push("links", ({ tokens }) => {
    for (const { children } of tokens) {
      let words = false; // whether the link that is open is drawn as words
      for (const token of children ?? []) {
        const href = String(token.attrGet("href") ?? "");
        if (token.type === "link_open" && (words = !FOLLOWED.test(href))) {
          token.attrs = [["class", "wc-unlinked"], ["title", href]];
        }
        if (words && /^link_/.test(token.type)) token.tag = "span";
      }
    }
  });
}
