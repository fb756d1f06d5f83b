// Task lists: "- [ ] open", "- [x] done", as boxes that nobody can press.

/** @import { MarkdownIt, Token } from "./markdown.js" */
/** @import { Translate } from "../types.js" */

const BOX = /^\[([ xX])\][ \t\u00a0]+(?=\S|$)/;

/** @param {MarkdownIt} md @param {Translate} t */
export function taskLists(md, t) {
  md.core.ruler.push("task_lists", ({ tokens, Token }) => {
    for (let index = 2; index < tokens.length; index += 1) {
      if (tokens[index].type !== "inline" || tokens[index - 1].type !== "paragraph_open" || tokens[index - 2].type !== "list_item_open") continue;
      const children = tokens[index].children ?? [];
      const [first, ...more] = children;
      const box = first?.type === "text" && BOX.exec(first.content);
      if (!box || (!more.length && box[0].length === first.content.length)) continue;
      first.content = first.content.slice(box[0].length);
      const token = new Token("task", "input", 0);
      token.meta = { done: box[1] !== " " };
      children.unshift(token);
      tokens[index - 2].attrJoin("class", "wc-task");
    }
  });
  /** @param {Token[]} tokens @param {number} index */
  md.renderer.rules.task = (tokens, index) => {
    const { done } = tokens[index].meta;
    const label = md.utils.escapeHtml(t(done ? "transcript.task_done" : "transcript.task_open"));
    return `<input type="checkbox" disabled${done ? " checked" : ""} aria-label="${label}"> `;
  };
}
