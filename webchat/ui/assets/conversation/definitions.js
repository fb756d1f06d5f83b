// Notes and named links: "text[^1]" with "[^1]: note", and "[text][1]" with "[1]: address". What no place of the text names
// would vanish; it is shown as it was written.
//
// env of a parse, made by `Known.scope`: `references` and `notes` by normalised label, `used` of both, `own(label, table)`:
// whether a definition met now is the one that counts, `awaiting`, `streaming`, `unsure`.

const NOTE = /^\[\^([^\s[\]]{1,100})\]:/;
const ADDRESS = /(https?:\/\/[^\s<>"']+)/;
const PROVISIONAL = /^\d{1,3}$/; // while text is still coming, "[^1]" is a mark whose note is on its way

export function definitions(md, t) {
  const { normalizeReference: normalize, escapeHtml } = md.utils;
  const { rules } = md.renderer;
  const reference = md.block.ruler.__rules__.find(({ name }) => name === "reference").fn;
  md.block.ruler.before("reference", "note", (...place) => note(normalize, ...place), { alt: ["paragraph", "reference"] });
  md.block.ruler.at("reference", (...place) => namedLink(reference, ...place));
  md.inline.ruler.before("link", "note_mark", (state, silent) => mark(normalize, state, silent));

  rules.note_mark = (tokens, index) => {
    const { number, known } = tokens[index].meta;
    if (!known) return `<sup class="wc-mark">${escapeHtml(number)}</sup>`;
    const label = escapeHtml(t("transcript.note", { number }));
    return `<sup class="wc-mark"><button type="button" data-note="${number}" aria-label="${label}">${number}</button></sup>`;
  };
  rules.note_open = (tokens, index, _options, env) => {
    const { label, number, source } = tokens[index].meta;
    if (env.used.has(label)) return `<div class="wc-footnote" data-note="${number}" role="note" tabindex="-1" dir="auto"><span class="wc-note-number" aria-hidden="true">${number}.</span><div>`;
    const inline = tokens[index + 1]?.type === "paragraph_open" && tokens[index + 2];
    if (!inline) return `<div class="wc-unnamed" dir="auto"><p>${escapeHtml(source)}</p>`;
    const text = new inline.constructor("text", "", 0);
    text.content = `${source} `;
    inline.children.unshift(text);
    return '<div class="wc-unnamed" dir="auto">';
  };
  rules.note_close = (tokens, index, _options, env) => {
    const { label, number } = tokens[index].meta;
    if (!env.used.has(label)) return "</div>";
    const back = escapeHtml(t("transcript.note_back", { number }));
    return `</div><button type="button" class="wc-note-back" data-note-back="${number}" aria-label="${back}" title="${back}">↩</button></div>`;
  };
  rules.named_link = (tokens, index, _options, env) => {
    const { label, source, first } = tokens[index].meta;
    if (first && env.used.has(label)) return "";
    const linked = source.split(ADDRESS).map((piece, at) => (at % 2 ? `<a href="${escapeHtml(piece)}">${escapeHtml(piece)}</a>` : escapeHtml(piece)));
    return `<p class="wc-unnamed" dir="auto">${linked.join("")}</p>`;
  };
}

// "[1]: https://…": the library's rule reads it; what it took is kept, and whether anything names it is noticed.
function namedLink(read, state, startLine, endLine, silent) {
  if (!read(state, startLine, endLine, silent)) return false;
  if (silent) return true;
  const { env } = state;
  const token = state.tokens.at(-1);
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
  Object.assign(open, { meta, map: [startLine, startLine + 1], block: true });
  within(state, startLine, start + opening[0].length, () => state.md.block.tokenize(state, startLine, endLine, true));
  open.map[1] = state.line;
  state.push("note_close", "div", -1).meta = meta;
  return true;
}

// Do `work` with the first line beginning at `at`, and the block it opens four columns in.
function within(state, line, at, work) {
  const { bMarks, tShift, sCount, eMarks, src } = state;
  const kept = [bMarks[line], tShift[line], sCount[line], state.parentType];
  let text = at;
  while (text < eMarks[line] && /[ \t]/.test(src[text])) text += 1;
  bMarks[line] = at;
  tShift[line] = text - at;
  state.blkIndent += 4;
  sCount[line] = state.blkIndent;
  state.parentType = "footnote";
  work();
  state.blkIndent -= 4;
  [bMarks[line], tShift[line], sCount[line], state.parentType] = kept;
}

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
export class Known {
  #normalize;
  #references = Object.create(null);
  #notes = Object.create(null);
  #used = new Set();
  #count = 0;
  #definers = new Map(); // label -> index of the block that defines it
  #naming = null; // the uses of the parse that goes on
  #mentions = new Map(); // label -> indices of the blocks that hold "[label]"
  version = 0; // counts what is learned

  constructor(md) {
    this.#normalize = md.utils.normalizeReference;
  }

  /** The env of a parse: it sees what is known, and adds nothing to it. awaiting: whether a note may still come for a mark;
   *  streaming: whether what is parsed may go on, `unsure` when a rule has asked; at: index of the finished block that is parsed. */
  scope({ awaiting, streaming = false, at = -1 }) {
    const used = new Set();
    const own = (label, table) => !Object.hasOwn(table, label) && this.#definers.get(label) === at;
    const seen = { has: (label) => used.has(label) || this.#used.has(label), add: (label) => used.add(label), own: used };
    this.#naming = seen;
    return {
      references: Object.create(this.#references),
      notes: Object.create(this.#notes),
      count: this.#count,
      used: seen,
      awaited: new Set(),
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
  reads({ used }) {
    this.#naming = used;
  }

  /** Take over what block `index`, parsed alone in `env`, defines and names; the labels that this is new of. */
  learn({ references, notes, used, count }, index) {
    const fresh = new Set();
    for (const label of Object.keys(references)) {
      const { plain, title } = references[label];
      this.#references[label] = noticed(plain, title, () => this.#naming.add(label));
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
  mention(source, index) {
    for (const [, text] of source.matchAll(/\[([^[\]]{1,999})\]/g)) {
      const label = this.#normalize(text);
      if (!this.#mentions.has(label)) this.#mentions.set(label, new Set());
      this.#mentions.get(label).add(index);
    }
  }

  /** Indices of the blocks that name one of the labels. */
  naming(labels) {
    const found = new Set();
    for (const label of labels) for (const index of this.#mentions.get(label) ?? []) found.add(index);
    return found;
  }
}

/** A press on a mark goes to its note, a press on the note's arrow back to the first mark; within `root`. */
export function followNote(root, event) {
  const button = event.target.closest("[data-note], [data-note-back]");
  if (button?.tagName !== "BUTTON") return;
  const { note: to, noteBack: from } = button.dataset;
  const target = root.querySelector(to ? `div[data-note="${to}"]` : `button[data-note="${from}"]`);
  target?.scrollIntoView({ block: "nearest" });
  target?.focus({ preventScroll: true });
}
