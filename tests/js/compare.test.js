import assert from "node:assert/strict";
import { test } from "node:test";

import { differing, turned } from "../../webchat/ui/assets/compare/differing.js";
import { choiceOf, comparesOn, KEYS, marked, sideAt, voteOf } from "../../webchat/ui/assets/compare/vote.js";

const NONE = { left: null, right: null };

test("each key that is shown stands for its choice", () => {
  for (const [choice, key] of Object.entries(KEYS)) assert.equal(choiceOf({ key }), choice);
  assert.equal(choiceOf({ key: "a" }), "left");
  assert.equal(choiceOf({ key: "-" }), "bad");
});

test("no other key votes, and none that is pressed with another", () => {
  for (const key of ["c", "Enter", " ", "ArrowLeft", "AB"]) assert.equal(choiceOf({ key }), null);
  for (const held of ["ctrlKey", "metaKey", "altKey", "isComposing"]) assert.equal(choiceOf({ key: "a", [held]: true }), null);
});

test("a tester compares while two replies are left", () => {
  const link = (/** @type {Partial<{ messages: number, tokens: number }>} */ left) => ({ asks: ["compare"], left: { messages: null, tokens: null, ...left } });
  assert.equal(comparesOn(link({})), true);
  assert.equal(comparesOn(link({ messages: 2, tokens: 2 })), true);
  assert.equal(comparesOn(link({ messages: 1 })), false);
  assert.equal(comparesOn(link({ tokens: 1 })), false);
  assert.equal(comparesOn({ ...link({}), asks: ["thumbs"] }), false);
});

test("both good and both bad are ties that say more, whatever was marked", () => {
  const marks = { left: true, right: null };
  assert.deepEqual(voteOf("bad", marks, "x"), { preferred: "tie", left_good: false, right_good: false, comment: "x" });
  assert.deepEqual(voteOf("good", marks, ""), { preferred: "tie", left_good: true, right_good: true, comment: "" });
  assert.deepEqual(voteOf("tie", marks, ""), { preferred: "tie", left_good: true, right_good: null, comment: "" });
  assert.deepEqual(voteOf("right", NONE, ""), { preferred: "right", left_good: null, right_good: null, comment: "" });
});

test("a mark that is pressed again is taken back, and the other side keeps its own", () => {
  const bad = marked(NONE, "right", false);
  assert.deepEqual(bad, { left: null, right: false });
  assert.deepEqual(marked(bad, "right", false), NONE);
  assert.deepEqual(marked(bad, "right", true), { left: null, right: true });
  assert.deepEqual(marked(bad, "left", true), { left: true, right: false });
});

test("the side that fills more of the screen is shown, also from right to left", () => {
  const clientWidth = 390;
  assert.equal(sideAt({ scrollLeft: 0, clientWidth }), "left");
  assert.equal(sideAt({ scrollLeft: 190, clientWidth }), "left");
  assert.equal(sideAt({ scrollLeft: 390, clientWidth }), "right");
  assert.equal(sideAt({ scrollLeft: -390, clientWidth }), "right");
});

const made = (/** @type {Record<string, unknown>} */ sampling, prompt = null, persona = null) => ({ model: "m", system_prompt: prompt, sampling, persona });

test("a side names what the other one does not have, and its persona in place of that text", () => {
  assert.deepEqual(differing(made({ temperature: 0.2, seed: 1 }), made({ seed: 1, top_p: 0.5 })), [["temperature", 0.2], ["top_p", null]]);
  assert.deepEqual(differing(made({}, "Be a pirate.", { name: "Pirate" }), made({}, "Be brief.")), [["persona", "Pirate"]]);
  assert.deepEqual(differing(made({}), made({}, "Be brief.")), [["system_prompt", null]]);
  assert.deepEqual(differing(made({ stop: ["x"] }, "a"), made({ stop: ["x"] }, "a")), []);
});

test("a chat that goes on with the other side is compared with what it had", () => {
  const had = { model: "m", settings: made({ temperature: 1 }) };
  const cold = { model: "m", changes: made({ temperature: 0 }) };
  assert.deepEqual(turned(cold, had, { model: "m", settings: made({ temperature: 0 }) }), { model: "m", changes: had.settings });
  assert.equal(turned(cold, had, had), cold);
  assert.deepEqual(turned({ model: "n", changes: null }, had, { model: "n", settings: made({}) }), { model: "m", changes: null });
});
