import assert from "node:assert/strict";
import { test } from "node:test";

import { CHOICES, folded, undoes, verdictOf } from "../../webchat/ui/assets/reviewing/verdict.js";

const KINDS = /** @type {const} */ (["replies", "comparisons"]);

test("the keys A, B, E and S say what their buttons say", () => {
  for (const kind of KINDS) {
    assert.deepEqual(CHOICES[kind].map(([, key]) => key).sort(), ["A", "B", "E", "S"]);
    for (const [verdict, key] of CHOICES[kind]) assert.equal(verdictOf(kind, { key: key.toLowerCase() }), verdict);
  }
  assert.equal(verdictOf("replies", { key: "b" }), "reject");
  assert.equal(verdictOf("comparisons", { key: "b" }), "right");
});

test("no other key judges, none that is held, and none pressed with another", () => {
  for (const key of ["c", "Enter", " ", "AB", "="]) assert.equal(verdictOf("replies", { key }), null);
  for (const held of ["ctrlKey", "metaKey", "altKey", "isComposing", "repeat"]) assert.equal(verdictOf("replies", { key: "a", [held]: true }), null);
});

test("Z takes the last review back, and judges nothing", () => {
  assert.ok(undoes({ key: "z" }));
  assert.ok(!undoes({ key: "z", repeat: true }) && !undoes({ key: "a" }));
  for (const kind of KINDS) assert.equal(verdictOf(kind, { key: "z" }), null);
});

test("the last question is never folded", () => {
  assert.deepEqual([1, 3, 4, 9].map(folded), [0, 0, 3, 8]);
});
