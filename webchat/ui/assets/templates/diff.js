// What changed between two texts, by lines.

// Rows of [mark, line]: "same", "gone" (only in `before`) or "new" (only in `after`), by the longest common subsequence.
export function lineDiff(before, after) {
  const a = before === "" ? [] : before.split("\n");
  const b = after === "" ? [] : after.split("\n");
  // longest[i][j]: how many lines a[i..] and b[j..] have in common, in order
  const longest = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      longest[i][j] = a[i] === b[j] ? longest[i + 1][j + 1] + 1 : Math.max(longest[i + 1][j], longest[i][j + 1]);
    }
  }
  const rows = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) rows.push(["same", a[i]]), (i += 1), (j += 1);
    else if (j >= b.length || (i < a.length && longest[i + 1][j] >= longest[i][j + 1])) rows.push(["gone", a[i]]), (i += 1);
    else rows.push(["new", b[j]]), (j += 1);
  }
  return rows;
}

// The rows near a change; what lies between is left out as ["skip", count].
export function aroundChanges(rows, context = 2) {
  const near = rows.map((_, at) => rows.slice(Math.max(0, at - context), at + context + 1).some(([mark]) => mark !== "same"));
  const shown = [];
  rows.forEach((row, at) => {
    if (near[at]) shown.push(row);
    else if (shown.at(-1)?.[0] === "skip") shown.at(-1)[1] += 1;
    else shown.push(["skip", 1]);
  });
  return shown;
}
