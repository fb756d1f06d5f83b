// Text to blocks to sanitised elements, for a text that may still be growing.
//
//   const view = markdownView(element, { t });
//   view.append("Hel"); view.append("lo"); view.finish();   // a reply that streams
//   view.set(text);                                        // a text that is whole
//
// A block (paragraph, list, table, code...) is finished once a later complete line has begun another one; then it is
// rendered for the last time and never touched again. Only what comes after is rendered at each frame, mended so
// that half-written markers do not flicker. The result does not depend on how the text was cut into pieces.

import MarkdownIt from "./vendor/markdown-it/markdown-it.js";
import { cjkEmphasis } from "./conversation/cjk.js";
import { upgrade } from "./conversation/extras.js";
import { GrowingCode, openCode } from "./conversation/growing.js";
import { mathRules } from "./conversation/mathrules.js";
import { mend } from "./conversation/mend.js";
import { prose } from "./conversation/sanitize.js";

const SHARE = 4; // a frame's rendering may take a fifth of the time: it pauses four times as long as it took

function parser(t) {
  const md = new MarkdownIt({ html: false, linkify: true, breaks: false, maxNesting: 40 });
  md.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
  endAtMarks(md.linkify);
  md.validateLink = (url) => /^(?:https?:|mailto:)/i.test(url.trim());
  md.use(mathRules).use(cjkEmphasis);
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
    const name = t("transcript.image", { host: hostOf(src) });
    const described = alt ? `<span class="wc-image-alt">${escapeHtml(alt)}</span>` : "";
    return `<a class="wc-image" href="${escapeHtml(src)}"><span class="wc-image-name">${escapeHtml(name)}</span>${described}</a>`;
  };
  rules.table_open = () => '<div class="wc-table" tabindex="0"><table>';
  rules.table_close = () => "</table></div>";
  for (const cell of ["th_open", "td_open"]) {
    rules[cell] = (tokens, index) => {
      const align = /text-align:\s*(\w+)/.exec(tokens[index].attrGet("style") ?? "")?.[1];
      return `<${tokens[index].tag}${align ? ` class="wc-${align}"` : ""}>`;
    };
  }
  return md;
}

// A bare URL ends before Chinese punctuation: what a sentence goes on with is not of the address. The server counts
// on it (webchat/moderation/addresses.py): behind such a mark it puts personal data back.
const MARKS = /[\u3000-\u303f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65“”‘’…]/;

function endAtMarks(linkify) {
  const { match, matchAtStart } = linkify;
  const cut = (found, by = 0) => {
    const at = found.raw.search(MARKS);
    const raw = at < 0 ? found.raw : found.raw.slice(0, at);
    const url = found.url.slice(0, found.url.length - found.raw.length + raw.length);
    return { ...found, index: found.index + by, lastIndex: found.index + by + raw.length, raw, text: raw, url };
  };
  linkify.match = (text) => {
    const found = [];
    // What follows a URL that was cut may begin with another.
    for (let from = 0, next; (next = match.call(linkify, text.slice(from))?.[0]); from = found.at(-1).lastIndex)
      found.push(cut(next, from));
    return found.length ? found : null;
  };
  linkify.matchAtStart = (text) => {
    const found = matchAtStart.call(linkify, text);
    return found && cut(found);
  };
}

// Models write <br> in the cells of tables, where Markdown has no line break.
function lineBreak(state, silent) {
  const match = /^<br\s*\/?>/i.exec(state.src.slice(state.pos, state.pos + 8));
  if (!match) return false;
  if (!silent) state.push("hardbreak", "br", 0);
  state.pos += match[0].length;
  return true;
}

export function hostOf(address) {
  try {
    return new URL(address).host;
  } catch {
    return address;
  }
}

const parsers = new Map();

function parserFor(t) {
  if (!parsers.has(t)) parsers.set(t, parser(t));
  return parsers.get(t);
}

export function markdownView(element, { t, onRender = () => {} }) {
  return new MarkdownView(element, parserFor(t), onRender);
}

class MarkdownView {
  #element;
  #md;
  #onRender;
  #blocks = []; // {element, source, html}; the first #finished of them are final
  #finished = 0;
  #references = {};
  #text = "";
  #begun = 0; // where the first unfinished block begins
  #looked = 0; // up to where complete lines have been looked at
  #streaming = true;
  #whole = false; // finish() was called, and nothing has come since
  #frame = 0;
  #timer = 0;
  #notBefore = 0;
  #growing = null; // {index, code}: the last block, while it is code without an end

  constructor(element, md, onRender) {
    this.#element = element;
    this.#md = md;
    this.#onRender = onRender;
  }

  get text() {
    return this.#text;
  }

  append(piece) {
    if (this.#whole) this.#reset();
    this.#text += piece;
    this.#schedule();
  }

  /** Show a whole text, now. Blocks that it shares with what was shown stay as they are. */
  set(text) {
    if (this.#whole ? text !== this.#text : !text.startsWith(this.#text.slice(0, this.#begun))) this.#reset();
    this.#text = text;
    this.finish();
  }

  /** No more will come: render what is left, now. */
  finish() {
    this.#cancel();
    if (this.#whole) return;
    this.#streaming = false;
    this.#render();
    this.#streaming = true;
    this.#whole = true;
  }

  /** Render now what `append` has left for the next frame. */
  flush() {
    this.#cancel();
    this.#render();
  }

  destroy() {
    this.#cancel();
  }

  #reset() {
    this.#blocks.forEach((block) => block.element.remove());
    this.#blocks = [];
    this.#references = {};
    this.#growing = null;
    this.#finished = this.#begun = this.#looked = 0;
    this.#whole = false;
  }

  #cancel() {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#frame = this.#timer = 0;
  }

  #schedule() {
    if (this.#frame || this.#timer) return;
    const wait = this.#notBefore - performance.now();
    const paint = () => {
      this.#timer = 0;
      // A hidden tab has no frames, and needs none: what it shows then is rendered when it is seen again.
      this.#frame = requestAnimationFrame(() => {
        this.#frame = 0;
        const begun = performance.now();
        this.#render();
        this.#notBefore = performance.now() + Math.min(500, SHARE * (performance.now() - begun));
      });
    };
    if (wait > 0) this.#timer = setTimeout(paint, wait);
    else paint();
  }

  #render() {
    const known = Object.keys(this.#references).length;
    if (this.#streaming && !openCode(this.#text.slice(this.#begun))) this.#finishBlocks();
    const open = this.#streaming ? openCode(this.#text.slice(this.#begun)) : null;
    if (open) {
      this.#grow(open);
      return;
    }
    this.#growing = null;
    const rest = this.#text.slice(this.#begun);
    const blocks = this.#split(this.#streaming ? mend(rest) : rest, this.#streaming ? { ...this.#references } : this.#references);
    blocks.forEach((block, index) => this.#show(this.#finished + index, block));
    for (const extra of this.#blocks.splice(this.#finished + blocks.length)) extra.element.remove();
    if (!this.#streaming) {
      this.#finished = this.#blocks.length;
      this.#begun = this.#looked = this.#text.length;
    }
    if (Object.keys(this.#references).length > known) this.#resolveReferences();
    this.#onRender();
  }

  #grow({ fence, lang, code }) {
    const index = this.#finished;
    if (this.#growing?.index !== index) {
      const [{ source, html }] = this.#split(fence, {});
      this.#show(index, { source, html });
      for (const extra of this.#blocks.splice(index + 1)) extra.element.remove();
      this.#blocks[index].html = null; // what it shows from now on is no longer what was rendered
      this.#growing = { index, code: new GrowingCode(this.#blocks[index].element.querySelector("code"), this.#element, lang) };
    }
    this.#growing.code.update(code);
    this.#onRender();
  }

  // Blocks that a later complete line has closed. A formula without an end may yet turn out to be text, and then
  // belongs to the paragraph before it.
  #finishBlocks() {
    const end = this.#text.lastIndexOf("\n") + 1;
    if (end <= this.#looked) return;
    this.#looked = end;
    const blocks = this.#split(this.#text.slice(this.#begun, end), { ...this.#references });
    const open = blocks.at(-1)?.pending ? 2 : 1;
    for (const block of blocks.slice(0, -open)) {
      if (block.source.includes("]:")) this.#references = { ...this.#split(block.source, {}).references, ...this.#references };
      this.#show(this.#finished, block);
      this.#finished += 1;
      this.#begun += block.source.length;
    }
  }

  /** Top-level blocks of a text, each with its source, its HTML, and whether it is a formula without an end. */
  #split(text, references) {
    const env = { references, streaming: this.#streaming };
    const lines = lineStarts(text);
    const blocks = [];
    let group = [];
    for (const token of this.#md.parse(text, env)) {
      group.push(token);
      if (token.level > 0 || token.nesting > 0) continue;
      const [line] = group[0].map ?? [0];
      blocks.push({ start: blocks.length ? lines[line] : 0, pending: token.meta?.pending ?? false, tokens: group });
      group = [];
    }
    for (const [index, block] of blocks.entries()) {
      block.source = text.slice(block.start, blocks[index + 1]?.start ?? text.length);
      block.html = this.#md.renderer.render(block.tokens, this.#md.options, env);
    }
    blocks.references = env.references;
    return blocks;
  }

  #show(index, { source, html }) {
    const shown = this.#blocks[index];
    if (shown) shown.source = source;
    if (shown?.html === html) return;
    const content = prose(html);
    upgrade(content, this.#element);
    if (shown) {
      shown.html = html;
      morph(shown.element, content);
      return;
    }
    const element = document.createElement("div");
    element.className = "wc-block";
    element.dir = "auto";
    element.append(content);
    this.#blocks.push({ element, source, html });
    this.#element.append(element);
  }

  // A reference defined further down: the blocks that name it are rendered once more.
  #resolveReferences() {
    const labels = Object.keys(this.#references).map((label) => `[${label.toLowerCase()}]`);
    this.#blocks.slice(0, this.#finished).forEach((block, index) => {
      const source = block.source.replace(/\s+/g, " ").toLowerCase();
      if (!labels.some((label) => source.includes(label))) return;
      const html = this.#split(block.source, { ...this.#references }).map((part) => part.html).join("");
      this.#show(index, { source: block.source, html });
    });
  }
}

function lineStarts(text) {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** Make `shown` hold what `wanted` holds, keeping every node that is the same already. */
export function morph(shown, wanted) {
  let old = shown.firstChild;
  for (let next = wanted.firstChild; next; ) {
    const following = next.nextSibling;
    if (!old) {
      shown.append(next);
    } else if (old.nodeType === Node.TEXT_NODE && next.nodeType === Node.TEXT_NODE) {
      if (next.data.startsWith(old.data)) old.appendData(next.data.slice(old.data.length));
      else if (old.data !== next.data) old.data = next.data;
    } else if (!old.isEqualNode(next)) {
      if (old.nodeName === next.nodeName && old.nodeType === Node.ELEMENT_NODE && !old.classList.contains("wc-math")) {
        morphAttributes(old, next);
        morph(old, next);
      } else {
        const replaced = old;
        old = next;
        replaced.replaceWith(next);
      }
    }
    old = old?.nextSibling ?? null;
    next = following;
  }
  while (old) {
    const following = old.nextSibling;
    old.remove();
    old = following;
  }
}

function morphAttributes(old, next) {
  for (const { name } of [...old.attributes]) if (!next.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
}
