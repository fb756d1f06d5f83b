// The page's words with their values.

import assert from "node:assert/strict";
import { test } from "node:test";

import "./browser.js";

const { t } = await import("../../webchat/ui/assets/i18n.js"); // a key without a text is its own

test("a word goes with its number", () => {
  const said = (count) => t("{count} {count:chat is|chats are} in {place}", { count, place: "{count}" });
  assert.deepEqual([said(0), said(1), said(2)], ["0 chats are in {count}", "1 chat is in {count}", "2 chats are in {count}"]);
  assert.equal(t("{after} {after:second|seconds}"), "{after} {after:second|seconds}"); // a value is missing
});
