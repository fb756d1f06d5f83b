// Which chats are selected: one by one, a range, all, and no more than one download takes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { MOST, Selection } from "../../webchat/ui/assets/sidebar/selection.js";

const order = ["a", "b", "c", "d", "e"];

test("chats are selected and left out one by one, and told in the order of the list", () => {
  const selection = new Selection();
  for (const id of ["d", "a", "b", "a"]) assert.ok(selection.toggle(id));
  assert.deepEqual(selection.ids(order), ["b", "d"]);
  assert.equal(selection.size, 2);
  selection.clear();
  assert.deepEqual(selection.ids(order), []);
});

test("a range goes from the last one that was chosen, up or down", () => {
  const selection = new Selection();
  selection.toggle("c");
  selection.reach("e", order);
  assert.deepEqual(selection.ids(order), ["c", "d", "e"]);
  selection.reach("a", order);
  assert.deepEqual(selection.ids(order), order);
  const fresh = new Selection();
  fresh.reach("b", order);
  assert.deepEqual(fresh.ids(order), ["b"]);
  fresh.keep(new Set(["c"])); // where the range begins is gone
  fresh.reach("d", ["c", "d"]);
  assert.deepEqual(fresh.ids(order), ["d"]);
});

test("chats that are gone are not selected any more", () => {
  const selection = new Selection();
  selection.all(order);
  selection.keep(new Map([["b", 1], ["e", 1]]));
  assert.deepEqual(selection.ids(order), ["b", "e"]);
});

test("no more are selected than one download takes, and that is told", () => {
  const many = Array.from({ length: MOST + 1 }, (_, at) => `c${at}`);
  const selection = new Selection();
  assert.equal(selection.all(many), false);
  assert.equal(selection.size, MOST);
  assert.equal(selection.toggle(many[MOST]), false);
  assert.equal(selection.toggle(many[0]), true);
  assert.equal(selection.toggle(many[MOST]), true);
  assert.equal(selection.size, MOST);
});
