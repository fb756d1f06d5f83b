// The Markdown of messages: markdown-it with formulas, emphasis beside CJK, tasks, notes, and the house's own elements.
//
//   const md = parserFor(t);
//   md.renderer.render(md.parse(text, env), md.options, env);   // env: see `definitions.js`

import MarkdownIt from "../vendor/markdown-it/markdown-it.js";
import { cjkEmphasis } from "./cjk.js";
import { deepBlocks } from "./deep.js";
import { definitions } from "./definitions.js";
import { directions } from "./direction.js";
import { mathRules } from "./mathrules.js";
import { taskLists } from "./tasks.js";

const MAX_PARAGRAPH = 10_000; // characters of one paragraph that are read for marks; a longer one is shown as it is
const PARTS = /[^]{1,4000}(?:\s|$)|[^]{1,4000}/gu;

// What the server puts in the place of a picture or sound that came with a reply (backends/openai_compat/media.py).
const NAMED = /^data:(\w+)\/([\w.+-]{1,60});size=(\d{1,12}),$/;

const parsers = new Map();

/** The parser whose words are by `t`. */
export function parserFor(t) {
  if (!parsers.has(t)) parsers.set(t, parser(t));
  return parsers.get(t);
}

function parser(t) {
  const md = new MarkdownIt({ html: false, linkify: true, breaks: false, maxNesting: 40 });
  md.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
  endAtMarks(md.linkify);
  md.validateLink = (url) => /^(?:https?:|mailto:)/i.test(url.trim()) || NAMED.test(url);
  md.use(mathRules).use(cjkEmphasis).use(definitions, t).use(taskLists, t).use(directions).use(deepBlocks, t).use(plainWhereLong);
  md.inline.ruler.before("html_inline", "line_break", lineBreak);
  const { escapeHtml } = md.utils;
  const { rules } = md.renderer;

  const button = (act, name) =>
    `<button type="button" class="wc-code-button" data-act="${act}">${escapeHtml(name)}</button>`;

  rules.fence = rules.code_block = (tokens, index) => {
    const token = tokens[index];
    const lang = (/^[\w+#.-]{1,30}/.exec(token.info.trim()) ?? [""])[0].toLowerCase();
    return (
      `<div class="wc-code" dir="ltr"><div class="wc-code-bar"><span class="wc-code-lang">${escapeHtml(lang)}</span>` +
      button("wrap", t("transcript.wrap_code")) +
      button("copy-code", t("transcript.copy_code")) +
      `</div><pre tabindex="0"><code data-lang="${escapeHtml(lang)}">${escapeHtml(token.content)}</code></pre></div>`
    );
  };
  // One level under the page's own heading, which is the chat's title.
  rules.heading_open = (tokens, index, options, env, renderer) => {
    tokens[index].attrSet("aria-level", String(Number(tokens[index].tag[1]) + 1));
    return renderer.renderToken(tokens, index, options);
  };
  rules.math = (tokens, index) => {
    const { content, info } = tokens[index];
    return `<span class="wc-math${info === "display" ? " wc-math-display" : ""}">${escapeHtml(content)}</span>`;
  };
  rules.math_block = (tokens, index) => {
    const { content, meta } = tokens[index];
    const state = meta.pending ? "wc-math-pending" : "wc-math wc-math-display";
    return `<div class="${state}" dir="ltr" tabindex="0">${escapeHtml(content)}</div>`;
  };
  // An image elsewhere would tell its host what was said here: it is a link, and the page's policy loads none.
  rules.image = (tokens, index) => {
    const token = tokens[index];
    const src = token.attrGet("src") ?? "";
    const alt = token.content;
    const named = NAMED.exec(src);
    if (named) return `<span class="wc-image"><span class="wc-image-name">${escapeHtml(nameOf(named, t))}</span></span>`;
    const name = t("transcript.image", { host: hostOf(src) });
    const described = alt ? `<span class="wc-image-alt">${escapeHtml(alt)}</span>` : "";
    return `<a class="wc-image" href="${escapeHtml(src)}"><span class="wc-image-name">${escapeHtml(name)}</span>${described}</a>`;
  };
  rules.table_open = (tokens, index) => `<div class="wc-table" tabindex="0" dir="${tokens[index].attrGet("dir") ?? "ltr"}"><table>`;
  rules.table_close = () => "</table></div>";
  for (const cell of ["th_open", "td_open"]) {
    rules[cell] = (tokens, index) => {
      const align = /text-align:\s*(\w+)/.exec(tokens[index].attrGet("style") ?? "")?.[1];
      return `<${tokens[index].tag}${align ? ` class="wc-${align}"` : ""} dir="auto">`;
    };
  }
  return md;
}

// A bare URL ends before Chinese punctuation: what a sentence goes on with is not of the address. The server counts
// on it (webchat/moderation/addresses.py): behind such a mark it puts personal data back.
const MARKS = /[\u3000-\u303f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65“”‘’…]/;

function endAtMarks(linkify) {
  const { match, matchAtStart } = linkify;
  linkify.match = (text) => {
    const found = [];
    let from = 0;
    for (const part of text.split(MARKS)) {
      for (const one of match.call(linkify, part) ?? [])
        found.push(Object.assign(one, { index: one.index + from, lastIndex: one.lastIndex + from }));
      from += part.length + 1;
    }
    return found.length ? found : null;
  };
  linkify.matchAtStart = (text) => matchAtStart.call(linkify, text.split(MARKS, 1)[0]);
}

// Pairs of marks are looked for from each mark, which in a paragraph of nothing else costs too much; and a browser lays
// out one paragraph in time that grows with the square of its length, so it is a paragraph of several boxes.
function plainWhereLong(md) {
  md.core.ruler.before("inline", "plain_where_long", (state) => {
    for (const token of state.tokens) {
      if (token.type !== "inline" || token.content.length <= MAX_PARAGRAPH) continue;
      const children = token.content.match(PARTS).flatMap((content) => {
        const open = new state.Token("part_open", "span", 1);
        open.attrSet("class", "wc-part");
        return [open, Object.assign(new state.Token("text", "", 0), { content }), new state.Token("part_close", "span", -1)];
      });
      Object.assign(token, { content: "", children });
    }
  });
}

// Models write <br> in the cells of tables, where Markdown has no line break.
function lineBreak(state, silent) {
  const match = /^<br\s*\/?>/i.exec(state.src.slice(state.pos, state.pos + 8));
  if (!match) return false;
  if (!silent) state.push("hardbreak", "br", 0);
  state.pos += match[0].length;
  return true;
}

function nameOf([, kind, format, bytes], t) {
  const size = Math.max(1, Math.round(Number(bytes) / 1000));
  return t(kind === "image" ? "transcript.picture" : "transcript.sound", { format: format === "unknown" ? "?" : format, size });
}

function hostOf(address) {
  try {
    return new URL(address).host;
  } catch {
    return address;
  }
}
