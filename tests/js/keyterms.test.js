// What the form of a new API key sends, and which field it names where that cannot be.

import assert from "node:assert/strict";
import { test } from "node:test";

import "./browser.js";

const { read } = await import("../../webchat/ui/assets/account/keyterms.js");

const TODAY = "2026-11-30";
const filled = { name: "ci", expires: "90d", date: "", scopes: ["chat", "read"], models: [], stored: true, counts: { requests_per_minute: "", tokens_per_day: "", at_once: "" } };
const counts = (changed) => ({ ...filled, counts: { ...filled.counts, ...changed } });

test("what is left empty is unlimited", () => {
  assert.deepEqual(read(filled, TODAY).body, {
    name: "ci",
    expires: "90d",
    terms: { scopes: ["chat", "read"], models: [], stored: true, requests_per_minute: null, tokens_per_day: null, at_once: null },
  });
});

test("models, limits, an end and keeping nothing are sent as chosen", () => {
  const { body } = read({ ...counts({ requests_per_minute: " 60 ", at_once: "2" }), expires: "date", date: "2027-01-31", models: ["small"], stored: false }, TODAY);
  assert.equal(body.expires, "2027-01-31");
  assert.deepEqual(body.terms, { scopes: ["chat", "read"], models: ["small"], stored: false, requests_per_minute: 60, tokens_per_day: null, at_once: 2 });
});

test("the first field that is wrong is named", () => {
  assert.equal(read({ ...filled, name: " ", scopes: [] }, TODAY).field, "name");
  assert.equal(read({ ...filled, scopes: [] }, TODAY).field, "scopes");
  for (const date of ["", "2026-11-29"]) assert.equal(read({ ...filled, expires: "date", date }, TODAY).field, "date");
  assert.ok(read({ ...filled, expires: "date", date: TODAY }, TODAY).body);
  assert.ok(read({ ...filled, date: "2020-01-01" }, TODAY).body); // not shown, so not asked
  for (const wrong of ["0", "-1", "1.5", "1e3", "many", "2147483648"]) assert.equal(read(counts({ tokens_per_day: wrong }), TODAY).field, "tokens_per_day", wrong);
});
