// The differences between two versions of a template.

import assert from "node:assert/strict";
import { test } from "node:test";

import { aroundChanges, lineDiff } from "../../webchat/ui/assets/templates/diff.js";

const any = (count) => Math.floor(Math.random() * count);
const text = () => Array.from({ length: any(9) }, () => "abc"[any(3)]).join("\n");

test("each side of a difference is the whole text", () => {
  for (let round = 0; round < 600; round += 1) {
    const [before, after] = [text(), text()];
    const rows = lineDiff(before, after);
    const side = (mark) => rows.filter(([said]) => said === "same" || said === mark).map(([, line]) => line).join("\n");
    assert.deepEqual([side("gone"), side("new")], [before, after]);
    if (before === after) assert.ok(rows.every(([mark]) => mark === "same"));
    const shown = aroundChanges(rows, 1);
    const count = shown.reduce((sum, [mark, skipped]) => sum + (mark === "skip" ? skipped : 1), 0);
    assert.equal(count, rows.length);
  }
});

test("what both have is shown once", () => {
  const rows = [["same", "a"], ["gone", "b"], ["new", "x"], ["same", "c"], ["new", "d"]];
  assert.deepEqual(lineDiff("a\nb\nc", "a\nx\nc\nd"), rows);
});
