// What changed between two texts, by lines or by words.

/** @typedef {[mark: "same" | "gone" | "new", line: string]} Row */

const WORDS = /\s+|[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|[\p{L}\p{M}\p{N}_]+?(?=[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}])|[\p{L}\p{M}\p{N}_]+|[^]/gu;
const MOST = 1_000_000; // pairs of lines that are compared; of texts that differ in more, all of the rest counts as changed

// Rows of [mark, line]: "same", "gone" (only in `before`) or "new" (only in `after`), by the longest common subsequence
// of what differs between the lines that both begin and end with.
/** @param {string} before @param {string} after @returns {Row[]} */
export function lineDiff(before, after) {
  return diff(before === "" ? [] : before.split("\n"), after === "" ? [] : after.split("\n"));
}

// The same by words, neighbours of one mark put together; each side of it is the whole text. A character of a script without
// spaces counts as a word.
/** @param {string} before @param {string} after @returns {Row[]} */
export function wordDiff(before, after) {
  /** @type {Row[]} */
  const joined = [];
  for (const [mark, word] of diff(before.match(WORDS) ?? [], after.match(WORDS) ?? [])) {
    const last = joined.at(-1);
    if (last?.[0] === mark) last[1] += word;
    else joined.push([mark, word]);
  }
  return joined;
}

/** @param {string[]} a @param {string[]} b @returns {Row[]} */
function diff(a, b) {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  const most = Math.min(a.length, b.length) - head;
  while (tail < most && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  /** @param {Row[0]} mark @param {string[]} lines @returns {Row[]} */
  const rows = (mark, lines) => lines.map((line) => [mark, line]);
  return [
    ...rows("same", a.slice(0, head)),
    ...between(a.slice(head, a.length - tail), b.slice(head, b.length - tail), rows),
    ...rows("same", a.slice(a.length - tail)),
  ];
}

/** @param {string[]} a @param {string[]} b @param {(mark: Row[0], lines: string[]) => Row[]} rows @returns {Row[]} */
function between(a, b, rows) {
  if (a.length * b.length > MOST) return [...rows("gone", a), ...rows("new", b)];
  // longest[i][j]: how many lines a[i..] and b[j..] have in common, in order
  const longest = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      longest[i][j] = a[i] === b[j] ? longest[i + 1][j + 1] + 1 : Math.max(longest[i + 1][j], longest[i][j + 1]);
    }
  }
  /** @type {Row[]} */
  const found = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) found.push(["same", a[i]]), (i += 1), (j += 1);
    else if (j >= b.length || (i < a.length && longest[i + 1][j] >= longest[i][j + 1])) found.push(["gone", a[i]]), (i += 1);
    else found.push(["new", b[j]]), (j += 1);
  }
  return found;
}

// The rows near a change; what lies between is left out as ["skip", count].
/** @param {Row[]} rows @param {number} [context] */
export function aroundChanges(rows, context = 2) {
  const near = rows.map((_, at) => rows.slice(Math.max(0, at - context), at + context + 1).some(([mark]) => mark !== "same"));
  /** @type {(Row | [mark: "skip", count: number])[]} */
  const shown = [];
  rows.forEach((row, at) => {
    if (near[at]) shown.push(row);
    else {
      const last = shown.at(-1);
      if (last?.[0] === "skip") last[1] += 1;
      else shown.push(["skip", 1]);
    }
  });
  return shown;
}
