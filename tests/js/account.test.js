// What the page makes of the server's refusals where people sign in.

import assert from "node:assert/strict";
import { test } from "node:test";

import { server } from "./browser.js";

const { canSignInAgain, fieldOf, missing } = await import("../../webchat/ui/assets/account/problems.js");
const { api } = await import("../../webchat/ui/assets/api.js");
const { bus } = await import("../../webchat/ui/assets/bus.js");
const { endedBy } = await import("../../webchat/ui/assets/conversation/note.js");

let out = [];
bus.on("out", ({ error }) => out.push(error.code));

async function refused(code, status) {
  out = [];
  server.answer = () => [status, { error: { code, message: code } }];
  await assert.rejects(api.put("api/me/password", { current: "a", new: "b" }), { code, status });
  return out;
}

test("an ended session puts the page out and a wrong password does not", async () => {
  assert.deepEqual(await refused("signed_out", 401), ["signed_out"]);
  assert.deepEqual(await refused("password_wrong", 403), []);
  assert.deepEqual(await refused("password_delayed", 429), []);
});

test("signing in again is offered where people sign in to those whose session has ended", () => {
  const where = { sign_in: true };
  assert.ok(canSignInAgain({ code: "signed_out" }, where));
  assert.ok(canSignInAgain({ code: "no_owner" }, where));
  for (const code of ["link_revoked", "person_disabled", "no_cookie", "two_owners"]) assert.ok(!canSignInAgain({ code }, where), code);
  assert.ok(!canSignInAgain({ code: "no_owner" }, { sign_in: false }));
  assert.ok(!canSignInAgain({ code: "no_owner" }, {}));
});

test("a reply that a page cannot follow any more says why", () => {
  assert.equal(endedBy({ code: "signed_out" }), "not_followed");
  assert.equal(endedBy({ code: "person_disabled" }), "not_followed");
  assert.equal(endedBy({ code: "link_expired" }), "link_expired");
  assert.equal(endedBy({ code: "no_owner" }), "link_ended");
});

test("a new password is asked for in the order of its boxes", () => {
  const whole = { current: "old", next: "new", repeated: "new" };
  assert.equal(missing(whole), null);
  assert.equal(missing({ ...whole, current: "" })?.name, "current");
  assert.equal(missing({ ...whole, next: "", repeated: "" })?.name, "next");
  assert.equal(missing({ ...whole, repeated: "New" })?.name, "repeated");
  assert.equal(missing({ current: "", next: "", repeated: "x" })?.name, "current");
});

test("a refused password is mended where it was written", () => {
  for (const code of ["password_wrong", "password_delayed"]) assert.equal(fieldOf({ code }), "current");
  for (const code of ["password_short", "password_long", "password_is_name"]) assert.equal(fieldOf({ code }), "next");
  for (const code of ["network", "signed_out", "person_disabled"]) assert.equal(fieldOf({ code }), null);
});
