// What a tester's link allows and what of it is left, in the page's sentences.

import assert from "node:assert/strict";
import { test } from "node:test";

const { facts, fewLeft, hindrance, unanswered, usedUp } = await import("../../webchat/ui/assets/tester/link.js");

const NONE = { messages: null, tokens: null, conversations: null };

function link({ left = {}, limits = {}, ...more } = {}) {
  return { consent: null, questions: [], answers: {}, left: { ...NONE, ...left }, limits: { ...NONE, ...limits }, ...more };
}

const chat = { fresh: false };

test("a link without terms stands in nobody's way and says nothing", () => {
  assert.equal(hindrance(link(), { fresh: true }), null);
  assert.equal(fewLeft(link()), null);
  assert.deepEqual(facts(link()), []);
  assert.ok(!usedUp(link()));
});

test("nothing is sent before the terms are accepted, and again when they have changed", () => {
  const consent = { text: "x", version: 2, accepted: 1 };
  assert.equal(hindrance(link({ consent }), chat)?.key, "tester.consent_first");
  assert.equal(hindrance(link({ consent: { ...consent, accepted: 2 } }), chat), null);
  assert.equal(hindrance(link({ consent, left: { messages: 0 } }), chat)?.key, "tester.consent_first");
});

test("used up are messages or tokens, in every chat", () => {
  for (const left of [{ messages: 0 }, { tokens: 0 }, { messages: 0, tokens: 9 }]) {
    assert.ok(usedUp(link({ left })));
    assert.equal(hindrance(link({ left }), chat)?.key, "tester.used_up");
  }
  assert.ok(!usedUp(link({ left: { messages: 1, tokens: 1 } })));
});

test("chats are used up for new ones only", () => {
  const used = link({ left: { conversations: 0 } });
  assert.equal(hindrance(used, { fresh: true })?.key, "tester.no_new_chat");
  assert.equal(hindrance(used, chat), null);
});

test("few messages are said: five, or a fifth of many", () => {
  const said = (messages, limit) => fewLeft(link({ left: { messages }, limits: { messages: limit } }));
  assert.equal(said(6, 20), null);
  assert.deepEqual(said(5, 20), { key: "tester.left", params: { count: 5 } });
  assert.deepEqual(said(1, 20), { key: "tester.left", params: { count: 1 } });
  assert.equal(said(201, 1000), null);
  assert.equal(said(200, 1000)?.params.count, 200);
});

test("few tokens are said where messages are not few", () => {
  const said = (left) => fewLeft(link({ left, limits: { messages: 100, tokens: 10_000 } }));
  assert.equal(said({ messages: 90, tokens: 2001 }), null);
  assert.deepEqual(said({ messages: 90, tokens: 2000 }), { key: "tester.tokens_left", params: { count: 2000 } });
  assert.equal(said({ messages: 3, tokens: 2000 })?.key, "tester.left");
});

test("the welcome says the limits that there are", () => {
  const keys = (left) => facts(link({ left })).map(({ key }) => key);
  assert.deepEqual(keys({ messages: 20 }), ["tester.messages"]);
  assert.deepEqual(keys({ messages: 1, conversations: 2 }), ["tester.messages", "tester.conversations"]);
});

test("questions without an answer are counted", () => {
  const questions = [{ id: "a" }, { id: "b" }, { id: "c" }];
  assert.equal(unanswered(link({ questions })), 3);
  assert.equal(unanswered(link({ questions, answers: { a: "yes", b: 1 } })), 1);
  assert.equal(unanswered(link({ questions: [...questions, { id: "d", per_reply: true }] })), 3); // asked elsewhere
});
