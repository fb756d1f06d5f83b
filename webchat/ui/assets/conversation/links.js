// Links to where this page cannot go: within documents that are elsewhere ("./guide.md", "#top"), or to other programs.
// They are drawn as their words, with the address as title.

/** Addresses that the page links to. */
export const FOLLOWED = /^(?:https?:|mailto:)/i;

export function links(md) {
  let within = ""; // of what kind of link the address is
  const allowed = { "": FOLLOWED, definition: new RegExp(`${FOLLOWED.source}|[/.#]`, "i"), link: /./ };
  md.validateLink = (url) => allowed[within].test(url);
  const during = (kind, work) => {
    const before = within;
    within = kind;
    const done = work();
    within = before;
    return done;
  };
  const rule = (ruler, sought) => ruler.__rules__.find(({ name }) => name === sought).fn;
  for (const name of ["link", "image"]) {
    const read = rule(md.inline.ruler, name);
    const called = ({ src, pos }) => name === "link" && /[\w)\]]/.test(src[pos - 1] ?? ""); // handlers[0](event) is no link
    md.inline.ruler.at(name, (state, silent) => during(called(state) ? "" : "link", () => read(state, silent)));
  }
  const define = rule(md.block.ruler, "reference");
  md.block.ruler.at("reference", (state, line, ...place) => {
    const note = state.src.startsWith("[^", state.bMarks[line] + state.tShift[line]); // where it can be none, it is text
    return !note && during("definition", () => define(state, line, ...place));
  });
  md.core.ruler.push("links", ({ tokens }) => {
    for (const { children } of tokens) {
      let words = false; // whether the link that is open is drawn as words
      for (const token of children ?? []) {
        if (token.type === "link_open" && (words = !FOLLOWED.test(token.attrGet("href") ?? ""))) {
          token.attrs = [["class", "wc-unlinked"], ["title", token.attrGet("href")]];
        }
        if (words && /^link_/.test(token.type)) token.tag = "span";
      }
    }
  });
}
