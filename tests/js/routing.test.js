// What an address asks for, and the address of what is shown.

import assert from "node:assert/strict";
import { test } from "node:test";

import { addressOf, askedFor } from "../../webchat/ui/assets/routing.js";

test("an address names the conversation and nothing that was asked for once", () => {
  const here = "https://host/under/a/prefix/?q=Hello&model=m#top";
  assert.equal(addressOf(here, "c 1"), "https://host/under/a/prefix/?c=c+1");
  assert.equal(addressOf(here, null), "https://host/under/a/prefix/");
});

test("words and a model are for a new chat alone", () => {
  assert.deepEqual(askedFor("?q=Hi%20there&model=m"), { id: null, messageId: null, words: "Hi there", model: "m", copy: null });
  assert.deepEqual(askedFor("?c=c1&m=m1&q=Hi&model=m"), { id: "c1", messageId: "m1", words: null, model: null, copy: null });
  assert.deepEqual(askedFor(""), { id: null, messageId: null, words: null, model: null, copy: null });
});

test("a share to go on with is for no chat that there is", () => {
  assert.equal(askedFor("?copy=s1").copy, "s1");
  assert.equal(askedFor("?c=c1&copy=s1").copy, null);
});

test("what is asked for is found again in the address", () => {
  for (const id of ["c1", "a&b=c", "?#/", "中文"]) assert.equal(askedFor(new URL(addressOf("http://host/", id)).search).id, id);
});
