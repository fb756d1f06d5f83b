// What people are asked about replies, and how what they say is saved.

import assert from "node:assert/strict";
import { test } from "node:test";

import { asked, isKey, reasonsFor } from "../../webchat/ui/assets/judging/asked.js";
import { Saving } from "../../webchat/ui/assets/judging/saving.js";
import { wordDiff } from "../../webchat/ui/assets/templates/diff.js";

test("without a link all is asked, by a link only what it names", () => {
  assert.deepEqual(asked(null), { thumbs: true, reasons: true, comment: true, better: true });
  assert.deepEqual(asked({ asks: ["thumbs"] }), { thumbs: true, reasons: false, comment: true, better: false });
  assert.deepEqual(asked({ asks: ["compare"] }), { thumbs: false, reasons: false, comment: false, better: false });
});

test("reasons fit the rating, unless the link has its own", () => {
  assert.ok(reasonsFor(1, null).every(isKey));
  assert.ok(!reasonsFor(1, null).some((one) => reasonsFor(-1, null).includes(one)));
  assert.deepEqual(reasonsFor(0, null), []);
  assert.deepEqual(reasonsFor(-1, { asks: ["thumbs"], reasons: ["too long"] }), []);
  assert.deepEqual(reasonsFor(-1, { asks: ["tags"], reasons: ["too long"] }), ["too long"]);
});

test("what is said while a request is under way goes in one more, the newest words last", async () => {
  const sent = [];
  const told = [];
  const open = [];
  const saving = new Saving((body) => (sent.push(body), new Promise((resolve) => open.push(resolve))), (how) => told.push(how));
  const all = saving.save({ reasons: ["a"] });
  saving.save({ reasons: ["a", "b"] });
  saving.save({ comment: "so" });
  saving.save({ reasons: ["b"] });
  open.shift()();
  await new Promise(setImmediate);
  open.shift()();
  await all;
  assert.deepEqual(sent, [{ reasons: ["a"] }, { reasons: ["b"], comment: "so" }]);
  assert.deepEqual(told, ["saving", "saved"]);
});

test("what was not saved goes along with what is said next", async () => {
  const sent = [];
  let works = false;
  const saving = new Saving(async (body) => {
    sent.push(body);
    if (!works) throw new Error("away");
  }, () => {});
  await saving.save({ comment: "one", reasons: ["a"] });
  works = true;
  await saving.save({ comment: "two" });
  assert.deepEqual(sent.at(-1), { comment: "two", reasons: ["a"] });
});

test("a difference by words has both texts, and keeps what they share", () => {
  for (const [before, after] of [["The cat sat.", "The dog sat, happily."], ["今天天气很好", "今天天气不好。"], ["", "new"], ["a🙂b", "a🙃b"], ["x\n y", "x y"]]) {
    const rows = wordDiff(before, after);
    const side = (mark) => rows.filter(([said]) => said === "same" || said === mark).map(([, words]) => words).join("");
    assert.deepEqual([side("gone"), side("new")], [before, after]);
  }
  assert.deepEqual(wordDiff("The cat sat.", "The dog sat."), [["same", "The "], ["gone", "cat"], ["new", "dog"], ["same", " sat."]]);
  assert.deepEqual(wordDiff("天气很好", "天气不好"), [["same", "天气"], ["gone", "很"], ["new", "不"], ["same", "好"]]);
});
