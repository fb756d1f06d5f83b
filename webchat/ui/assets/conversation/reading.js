// The two halves of a parse: the blocks of a text first, and the marks within the words of some of them later.

import { ruleOf } from "./rules.js";

/** @import { CoreState, Env, MarkdownIt, Token } from "./markdown.js" */
/** @typedef {{ source: string, start: number, open: boolean, unsure: boolean, tokens: Token[], env: Env }} TopBlock */

/** @type {WeakMap<MarkdownIt, ((state: CoreState) => void)[][]>} */
const halves = new WeakMap(); // rules by parser: up to the blocks, and behind them

/** @param {MarkdownIt} md */
function rulesOf(md) {
  let known = halves.get(md);
  if (!known) {
    const rules = md.core.ruler.getRules("");
    const behind = rules.indexOf(ruleOf(md.core.ruler, "block")) + 1;
    halves.set(md, (known = [rules.slice(0, behind), rules.slice(behind)]));
  }
  return known;
}

/** The tokens of a text, whose words are not read yet. */
/** @param {MarkdownIt} md @param {string} text @param {Env} env @returns {Token[]} */
export function readBlocks(md, text, env) {
  const state = new md.core.State(text, md, env);
  for (const rule of rulesOf(md)[0]) rule(state);
  return state.tokens;
}

/** The top-level blocks of a text: {source, tokens, env, open, unsure}; open: whether it is a formula without an end; unsure:
 *  whether it may be read otherwise when it is known how it ends. */
/** @param {MarkdownIt} md @param {string} text @param {Env} env */
export function readTopLevel(md, text, env) {
  const lines = lineStarts(text);
  /** @type {TopBlock[]} */
  const blocks = [];
  /** @type {Token[]} */
  let tokens = [];
  for (const token of readBlocks(md, text, env)) {
    tokens.push(token);
    if (token.level > 0 || token.nesting > 0) continue;
    const [line] = tokens[0].map ?? [0];
    blocks.push({ source: "", start: blocks.length ? lines[line] : 0, open: token.meta?.pending ?? false, unsure: env.unsure, tokens, env });
    tokens = [];
  }
  for (const [index, block] of blocks.entries()) block.source = text.slice(block.start, blocks[index + 1]?.start ?? text.length);
  return blocks;
}

/** @param {string} text */
function lineStarts(text) {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** Read the words of tokens. */
/** @param {MarkdownIt} md @param {Token[]} tokens @param {Env} env */
export function readWords(md, tokens, env) {
  const state = new md.core.State("", md, env);
  state.tokens = tokens;
  for (const rule of rulesOf(md)[1]) rule(state);
}
