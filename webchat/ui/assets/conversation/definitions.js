// Notes and named links: "text[^1]" with "[^1]: note", and "[text][1]" with "[1]: address". What no place of the text names
// would vanish; it is shown as it was written.
//
// env of a parse, made by `Definitions.scope`: `references` and `notes` by normalised label, `used` of both, `own(label, table)`:
// whether a definition met now is the one that counts, `awaiting`, `streaming`, `unsure`.

import { ruleOf } from "./rules.js";

/** @import { BlockRule, BlockState, Env, InlineState, MarkdownIt, Normalize, Token } from "./markdown.js" */
/** @import { Translate } from "../types.js" */
/** @typedef {{ plain: string, title: string, href: string }} Reference */

const NOTE = /^\[\^([^\s[\]]{1,100})\]:/;
const ADDRESS = /(https?:\/\/[^\s<>"']+)/;
const PROVISIONAL = /^\d{1,3}$/; // while text is still coming, "[^1]" is a mark whose note is on its way

/** @param {MarkdownIt} md @param {Translate} t */
export function definitions(md, t) {
  const { normalizeReference: normalize, escapeHtml } = md.utils;
  const { rules } = md.renderer;
  const reference = ruleOf(md.block.ruler, "reference");
  md.block.ruler.before("reference", "note", (...place) => note(normalize, ...place), { alt: ["paragraph", "reference"] });
  md.block.ruler.at("reference", (...place) => namedLink(reference, ...place));
  md.inline.ruler.before("link", "note_mark", (state, silent) => mark(normalize, state, silent));

  /** @param {Token[]} tokens @param {number} index */
  rules.note_mark = (tokens, index) => {
    const { number, known } = tokens[index].meta;
    if (!known) return `<sup class="wc-mark">${escapeHtml(number)}</sup>`;
    const label = escapeHtml(t("transcript.note", { number }));
    return `<sup class="wc-mark"><button type="button" data-note="${number}" aria-label="${label}">${number}</button></sup>`;
  };
  /** @param {Token[]} tokens @param {number} index @param {unknown} _options @param {any} env */
  rules.note_open = (tokens, index, _options, env) => {
    const { label, number, source } = tokens[index].meta;
    if (env.used.has(label)) return `<div class="wc-footnote" data-note="${number}" role="note" tabindex="-1" dir="auto"><span class="wc-note-number" aria-hidden="true">${number}.</span><div>`;
    const inline = tokens[index + 1]?.type === "paragraph_open" && tokens[index + 2];
    if (!inline) return `<div class="wc-unnamed" dir="auto"><p>${escapeHtml(source)}</p>`;
    const Token = /** @type {any} */ (inline.constructor);
    const text = Object.assign(new Token("text", "", 0), { content: `${source} ` });
    inline.children?.unshift(text);
    return '<div class="wc-unnamed" dir="auto">';
  };
  /** @param {Token[]} tokens @param {number} index @param {unknown} _options @param {any} env */
  rules.note_close = (tokens, index, _options, env) => {
    const { label, number } = tokens[index].meta;
    if (!env.used.has(label)) return "</div>";
    const back = escapeHtml(t("transcript.note_back", { number }));
    return `</div><button type="button" class="wc-note-back" data-note-back="${number}" aria-label="${back}" title="${back}">↩</button></div>`;
  };
  /** @param {Token[]} tokens @param {number} index @param {unknown} _options @param {any} env */
  rules.named_link = (tokens, index, _options, env) => {
    const { label, source, first } = tokens[index].meta;
    if (first && env.used.has(label)) return "";
    const linked = String(source).split(ADDRESS).map((piece, at) => (at % 2 ? `<a href="${escapeHtml(piece)}">${escapeHtml(piece)}</a>` : escapeHtml(piece)));
    return `<p class="wc-unnamed" dir="auto">${linked.join("")}</p>`;
  };
}

// "[1]: https://…": the library's rule reads it; what it took is kept, and whether anything names it is noticed.
/** @param {BlockRule} read @param {BlockState} state @param {number} startLine @param {number} endLine @param {boolean} silent */
function namedLink(read, state, startLine, endLine, silent) {
  if (!read(state, startLine, endLine, silent)) return false;
  if (silent) return true;
  const { env } = state;
  /** @type {Token} */
  const token = state.tokens[state.tokens.length - 1];
  token.type = "named_link"; // as the library names it, it would be taken out again
  const { meta } = token;
  const { label } = meta;
  const found = env.references[label];
  meta.source = state.getLines(startLine, state.line, state.blkIndent, false).trim();
  meta.first = !found.plain || env.own(label, env.references);
  if (!found.plain) env.references[label] = noticed(found.href, found.title, () => env.used.add(label));
  return true;
}

// A reference that tells when a link takes its address.
/** @param {string} plain @param {string} title @param {() => void} notice */
function noticed(plain, title, notice) {
  return {
    title,
    plain,
    get href() {
      notice();
      return plain;
    },
  };
}

// "[^1]: A note": the rest of the line, what goes on below it, and paragraphs that are indented.
/** @param {Normalize} normalize @param {BlockState} state @param {number} startLine @param {number} endLine @param {boolean} silent */
function note(normalize, state, startLine, endLine, silent) {
  const start = state.bMarks[startLine] + state.tShift[startLine];
  if (state.src[start] !== "[" || state.src[start + 1] !== "^" || state.sCount[startLine] - state.blkIndent >= 4) return false;
  if (silent) return (state.level === 0 || state.sCount[startLine] < state.blkIndent) && NOTE.test(state.src.slice(start, start + 110));
  if (state.level > 0) return false;
  const opening = NOTE.exec(state.src.slice(start, state.eMarks[startLine]));
  if (!opening) return false;
  const label = normalize(`^${opening[1]}`);
  const { env } = state;
  const first = !(label in env.notes) || env.own(label, env.notes);
  if (!(label in env.notes)) env.notes[label] = env.count += 1;
  const meta = { label: first ? label : null, number: env.notes[label], source: opening[0] };
  const open = state.push("note_open", "div", 1);
  Object.assign(open, { meta, block: true });
  within(state, startLine, start + opening[0].length, () => state.md.block.tokenize(state, startLine, endLine));
  open.map = [startLine, state.line];
  state.push("note_close", "div", -1).meta = meta;
  return true;
}

// Do `work` with the first line beginning at `at`, and the block it opens four columns in.
/** @param {BlockState} state @param {number} line @param {number} at @param {() => void} work */
function within(state, line, at, work) {
  const { bMarks, tShift, sCount, eMarks, src } = state;
  const { parentType } = state;
  const kept = [bMarks[line], tShift[line], sCount[line]];
  let text = at;
  while (text < eMarks[line] && /[ \t]/.test(src[text])) text += 1;
  bMarks[line] = at;
  tShift[line] = text - at;
  state.blkIndent += 4;
  sCount[line] = state.blkIndent;
  state.parentType = "footnote";
  work();
  state.blkIndent -= 4;
  [bMarks[line], tShift[line], sCount[line]] = kept;
  state.parentType = parentType;
}

/** @param {Normalize} normalize @param {InlineState} state @param {boolean} silent */
function mark(normalize, state, silent) {
  const { src, pos, env } = state;
  if (src[pos] !== "[" || src[pos + 1] !== "^") return false;
  const found = /^\[\^([^\s[\]]{1,100})\]/.exec(src.slice(pos, pos + 104));
  if (!found || pos + found[0].length > state.posMax) return false;
  const label = normalize(`^${found[1]}`);
  const known = label in env.notes;
  if (!known && !(env.awaiting && PROVISIONAL.test(found[1]))) return false;
  if (!silent) {
    if (known) env.used.add(label);
    else env.awaited.add(label);
    state.push("note_mark", "sup", 0).meta = { number: known ? env.notes[label] : found[1], known };
  }
  state.pos += found[0].length;
  return true;
}

/** What is defined and named in the finished part of a text, and which of its blocks name what. */
export class Definitions {
  /** @type {Normalize} */
  #normalize;
  /** @type {Record<string, Reference>} */
  #references = Object.create(null);
  /** @type {Record<string, number>} */
  #notes = Object.create(null);
  /** @type {Set<string>} */
  #used = new Set();
  #count = 0;
  /** @type {Map<string, number>} */
  #definers = new Map(); // label -> index of the block that defines it
  /** @type {{ add(label: string): void } | null} */
  #naming = null; // the uses of the parse that goes on
  /** @type {Map<string, Set<number>>} */
  #mentions = new Map(); // label -> indices of the blocks that hold "[label]"
  version = 0; // counts what is learned

  /** @param {MarkdownIt} md */
  constructor(md) {
    this.#normalize = md.utils.normalizeReference;
  }

  /** The env of a parse: it sees what is known, and adds nothing to it. awaiting: whether a note may still come for a mark;
   *  streaming: whether what is parsed may go on, `unsure` when a rule has asked; at: index of the finished block that is parsed. */
  /** @param {{ awaiting: boolean, streaming?: boolean, at?: number }} options */
  scope({ awaiting, streaming = false, at = -1 }) {
    /** @type {Set<string>} */
    const used = new Set();
    /** @param {string} label @param {object} table */
    const own = (label, table) => !Object.hasOwn(table, label) && this.#definers.get(label) === at;
    const has = (/** @type {string} */ label) => used.has(label) || this.#used.has(label);
    const seen = { has, add: (/** @type {string} */ label) => void used.add(label), own: used };
    this.#naming = seen;
    return {
      references: /** @type {Record<string, Reference>} */ (Object.create(this.#references)),
      notes: /** @type {Record<string, number>} */ (Object.create(this.#notes)),
      count: this.#count,
      used: seen,
      awaited: /** @type {Set<string>} */ (new Set()),
      own,
      awaiting,
      unsure: false,
      get streaming() {
        this.unsure = true;
        return streaming;
      },
    };
  }

  /** From now on words are read in `env`. */
  /** @param {Env} env */
  reads({ used }) {
    this.#naming = used;
  }

  /** Take over what block `index`, parsed alone in `env`, defines and names; the labels that this is new of. */
  /** @param {Env} env @param {number} index @returns {Set<string>} */
  learn({ references, notes, used, count }, index) {
    /** @type {Set<string>} */
    const fresh = new Set();
    for (const label of Object.keys(references)) {
      const { plain, title } = references[label];
      this.#references[label] = noticed(plain, title, () => this.#naming?.add(label));
      fresh.add(label);
    }
    for (const [label, number] of Object.entries(notes)) {
      this.#notes[label] = number;
      fresh.add(label);
    }
    for (const label of fresh) this.#definers.set(label, index);
    this.#count = Math.max(this.#count, count);
    for (const label of used.own) {
      if (this.#used.has(label)) continue;
      this.#used.add(label);
      fresh.add(label);
    }
    this.version += fresh.size;
    return fresh;
  }

  /** Remember which labels the source of block `index` holds. */
  /** @param {string} source @param {number} index */
  mention(source, index) {
    for (const [, text] of source.matchAll(/\[([^[\]]{1,999})\]/g)) {
      const label = this.#normalize(text);
      this.#mentions.set(label, (this.#mentions.get(label) ?? new Set()).add(index));
    }
  }

  /** Indices of the blocks that name one of the labels. */
  /** @param {Iterable<string>} labels */
  naming(labels) {
    /** @type {Set<number>} */
    const found = new Set();
    for (const label of labels) for (const index of this.#mentions.get(label) ?? []) found.add(index);
    return found;
  }
}

/** A press on a mark goes to its note, a press on the note's arrow back to the first mark; within `root`. */
/** @param {HTMLElement} root @param {Event} event */
export function followNote(root, event) {
  const button = /** @type {Element} */ (event.target).closest("[data-note], [data-note-back]");
  if (button?.tagName !== "BUTTON") return;
  const { note: to, noteBack: from } = button.dataset;
  const target = root.querySelector(to ? `div[data-note="${to}"]` : `button[data-note="${from}"]`);
  target?.scrollIntoView({ block: "nearest" });
  target?.focus({ preventScroll: true });
}
