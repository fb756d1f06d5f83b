// The Markdown of messages: markdown-it with what people expect beyond CommonMark (see
// deploy/replies.md), and the house's own elements.
//
//   const md = parserFor(t);
//   md.renderer.render(md.parse(text, env), md.options, env);   // env: see `definitions.js`

import MarkdownIt from "../vendor/markdown-it/markdown-it.js";
import { addresses } from "./addresses.js";
import { deepBlocks } from "./deep.js";
import { definitions } from "./definitions.js";
import { details } from "./details.js";
import { directions } from "./direction.js";
import { emphasis } from "./emphasis.js";
import { fences } from "./fences.js";
import { FOLLOWED, links } from "./links.js";
import { mathRules } from "./mathrules.js";
import { tablePipes } from "./tablepipes.js";
import { tags } from "./tags.js";
import { taskLists } from "./tasks.js";

/** @import { MarkdownIt as Parser, Token } from "./markdown.js" */
/** @import { Translate } from "../types.js" */

const MAX_PARAGRAPH = 10_000; // characters of one paragraph that are read for marks; a longer one is shown as it is
const PARTS = /[^]{1,4000}(?:\s|$)|[^]{1,4000}/gu;

// What the server puts in the place of a picture or sound that came with a reply (backends/openai_compat/replies/media.py).
const NAMED = /^data:(image|audio)\/([\w.+-]{1,60})(?:;size=(\d{1,12})(?:;id=([a-p]{16}))?,$)?/;

const BARE = /^data:(?:image|audio)\/[\w.+-]{1,60};size=\d{1,12}(?:;id=[a-p]{16})?,/;
const GIVEN = new Set(["picture", "audio"]); // descriptions that are the server's own

/** @type {Map<Translate, Parser>} */
const parsers = new Map();

/** The parser whose words are by `t`. */
/** @param {Translate} t */
export function parserFor(t) {
  const made = parsers.get(t) ?? parser(t);
  parsers.set(t, made);
  return made;
}

/** @param {Translate} t @returns {Parser} */
function parser(t) {
  const md = new MarkdownIt({ html: false, linkify: true, breaks: true, maxNesting: 40 });
  md.use(mathRules).use(addresses).use(emphasis).use(tags).use(fences).use(details).use(tablePipes).use(links);
  md.use(definitions, t).use(taskLists, t).use(directions).use(deepBlocks, t).use(bareMedia).use(plainWhereLong, t);
  const { escapeHtml } = md.utils;
  const { rules } = md.renderer;

  /** @param {string} act @param {string} name */
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
  rules.heading_open = (tokens, index, options, _env, renderer) => {
    tokens[index].attrSet("aria-level", String(Number(tokens[index].tag[1]) + 1));
    return renderer.renderToken(tokens, index, options);
  };
  /** @param {Token[]} tokens @param {number} index */
  rules.math = (tokens, index) => {
    const { content, info } = tokens[index];
    return `<span dir="ltr" class="wc-math${info === "display" ? " wc-math-display" : ""}">${escapeHtml(content)}</span>`;
  };
  /** @param {Token[]} tokens @param {number} index */
  rules.math_block = (tokens, index) => {
    const { content, meta } = tokens[index];
    const state = meta.pending ? "wc-math-pending" : "wc-math wc-math-display";
    return `<div class="${state}" dir="ltr" tabindex="0">${escapeHtml(content)}</div>`;
  };
  // An image elsewhere would tell its host what was said here: it is a link, and the page's policy loads none.
  rules.image = (tokens, index) => {
    const token = tokens[index];
    const src = String(token.attrGet("src") ?? "");
    const alt = token.content;
    const named = NAMED.exec(src);
    if (named) {
      const kept = named[4] ? ` data-media="${named[4]}" data-type="${escapeHtml(`${named[1]}/${named[2]}`)}"` : "";
      const described = alt && !GIVEN.has(alt) ? ` title="${escapeHtml(alt)}"` : "";
      return `<span class="wc-image" dir="auto"${kept}${described}><span class="wc-image-name">${escapeHtml(nameOf(named, t))}</span></span>`;
    }
    if (!FOLLOWED.test(src)) return `<span class="wc-unlinked" title="${escapeHtml(src)}">${escapeHtml(alt || src)}</span>`;
    const name = t("transcript.image", { host: hostOf(src) });
    const described = alt ? `<span class="wc-image-alt">${escapeHtml(alt)}</span>` : "";
    const words = `<span class="wc-image-name">${escapeHtml(name)}</span>${described}`;
    return `<a class="wc-image" dir="auto" href="${escapeHtml(src)}">${words}</a>`;
  };
  rules.table_open = (tokens, index) => `<div class="wc-table" tabindex="0" dir="${tokens[index].attrGet("dir") ?? "ltr"}"><table>`;
  rules.table_close = () => "</table></div>";
  for (const cell of ["th_open", "td_open"]) {
    rules[cell] = (tokens, index) => {
      const align = /text-align:\s*(\w+)/.exec(String(tokens[index].attrGet("style") ?? ""))?.[1];
      return `<${tokens[index].tag}${align ? ` class="wc-${align}"` : ""} dir="auto">`;
    };
  }
  return md;
}

// What came with a reply where no Markdown is around it: bare, or in HTML.
/** @param {Parser} md */
function bareMedia(md) {
  md.inline.ruler.before("linkify", "media", (state, silent) => {
    const { src, pos, pending } = state;
    const found = src[pos] === ":" && pending.endsWith("data") && BARE.exec(src.slice(pos - 4, pos + 120));
    if (!found) return false;
    state.pos += found[0].length - 4;
    if (silent) return true;
    state.pending = pending.slice(0, -4);
    state.push("image", "img", 0).attrs = [["src", found[0]]];
    return true;
  });
}

// Pairs of marks are looked for from each mark, which in a paragraph of nothing else costs too much; and a browser lays
// out one paragraph in time that grows with the square of its length, so it is a paragraph of several boxes and says so.
/** @param {Parser} md @param {Translate} t */
function plainWhereLong(md, t) {
  md.core.ruler.before("inline", "plain_where_long", (state) => {
    for (const token of state.tokens) {
      if (token.type !== "inline" || token.content.length <= MAX_PARAGRAPH) continue;
      const children = (token.content.match(PARTS) ?? []).flatMap((content) => {
        const open = new state.Token("part_open", "span", 1);
        open.attrSet("class", "wc-part");
        return [open, Object.assign(new state.Token("text", "", 0), { content }), new state.Token("part_close", "span", -1)];
      });
      Object.assign(token, { content: "", children: [new state.Token("plain", "span", 0), ...children] });
    }
  });
  md.renderer.rules.plain = () => `<span class="wc-plain" dir="auto">${md.utils.escapeHtml(t("transcript.plain"))}</span>`;
}

// Of an address that holds the data itself the size is that of its base64.
/** @param {RegExpExecArray} found @param {Translate} t */
function nameOf({ input, 1: kind, 2: format, 3: bytes, 4: kept }, t) {
  const size = Math.max(1, Math.round(Number(bytes ?? (input.length * 3) / 4) / 1000));
  const key = kind === "image" ? "transcript.picture" : "transcript.sound";
  return t(kept ? `${key}_kept` : key, { format: format === "unknown" ? "?" : format, size });
}

/** @param {string} address */
function hostOf(address) {
  try {
    return new URL(address).host || address.slice(0, 40);
  } catch {
    return address;
  }
}
