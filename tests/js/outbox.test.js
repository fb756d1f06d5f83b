// The outbox, the drafts and the stops of one tab; what several tabs do together is in tests/ui/test_outbox.py.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { server, until } from "./browser.js";

const { bus } = await import("../../webchat/ui/assets/bus.js");
const { drafts } = await import("../../webchat/ui/assets/drafts.js");
const { identity } = await import("../../webchat/ui/assets/identity.js");
const { outbox } = await import("../../webchat/ui/assets/outbox.js");
const { stops } = await import("../../webchat/ui/assets/stops.js");
const { storage } = await import("../../webchat/ui/assets/storage.js");

const ASK = { kind: "send", conversation_id: "c1", text: "Much thought" };
const taken = ({ client_key: key }) => [201, { conversation: { id: "c1" }, user: null, reply: { id: `reply-${key}` } }];
const away = () => {
  throw new TypeError("unreachable");
};

let told = [];
bus.on("outbox", ({ what, entry }) => told.push([what, entry.key]));

await identity.open();
await outbox.open();

const add = (changes) => outbox.add({ ...ASK, ...changes }, { under: null }).key;
const sent = () => server.asked.filter(({ path }) => path === "api/turns").map(({ body }) => body.client_key);
const gone = () => until(() => storage.names(outbox.prefix).length === 0);
const stands = (key, state) => until(() => outbox.get(key)?.state === state);

beforeEach(() => {
  identity.own("ann");
  for (const name of Object.keys(localStorage)) storage.remove(name);
  Object.assign(server, { asked: [], answer: (path, body) => (path === "api/turns" ? taken(body) : [202, null]) });
  told = [];
});

test("an entry is stored before it is sent and until it is answered", async () => {
  let release;
  server.answer = (_path, body) => new Promise((resolve) => (release = () => resolve(taken(body))));
  const key = add();
  const { owner, state, ask } = storage.get(outbox.prefix + key);
  assert.deepEqual([owner, state, ask.text], ["ann", "sending", "Much thought"]);
  await until(() => release);
  assert.deepEqual(storage.names(outbox.prefix), [outbox.prefix + key]);
  release();
  await gone();
  assert.deepEqual(told.at(-1), ["answered", key]);
  assert.deepEqual(server.asked, [{ method: "POST", path: "api/turns", body: { ...ASK, client_key: key, owner: "ann" } }]);
});

test("every try has the same key", async () => {
  server.answer = away;
  const key = add();
  outbox.stop(key); // an entry whose first try has failed is told once it has changed
  await until(() => sent().length);
  server.answer = (_path, body) => taken(body);
  await until(() => (outbox.retry(key), sent().length > 1));
  await gone();
  assert.deepEqual(new Set(sent()), new Set([key]));
});

test("nothing overtakes within a conversation", async () => {
  const waiting = [];
  server.answer = (_path, body) => new Promise((resolve) => waiting.push(() => resolve(taken(body))));
  const first = add();
  await until(() => Date.now() > outbox.get(first).at);
  const [second, elsewhere] = [add({ text: "And" }), add({ conversation_id: "c2" })];
  await until(() => waiting.length === 2);
  assert.deepEqual(sent(), [first, elsewhere]);
  server.answer = (_path, body) => taken(body);
  for (const release of waiting) release();
  await gone();
  assert.deepEqual(sent(), [first, elsewhere, second]);
});

test("a refused message waits for its writer", async () => {
  server.answer = () => [422, { error: { code: "message_blocked", message: "No.", cure: "Ask something else." } }];
  const key = add();
  await stands(key, "refused");
  assert.equal(outbox.get(key).why.message, "No.");
  bus.emit("connection", { online: true });
  assert.deepEqual(sent(), [key]);
  assert.equal(outbox.take(key).ask.text, ASK.text);
  assert.deepEqual(storage.names(outbox.prefix), []);
});

test("another owner neither sees nor sends it", async () => {
  server.answer = () => [401, { error: { code: "other_owner", message: "Somebody else." } }];
  const key = add();
  drafts.put("c1", { text: "A secret" });
  await stands(key, "unsent");
  server.answer = (_path, body) => taken(body);
  identity.own("bob");
  bus.emit("connection", { online: true });
  assert.deepEqual([outbox.at("c1"), outbox.get(key), drafts.get("c1")], [[], null, null]);
  assert.deepEqual(await drafts.adopt(["c1"]), []);
  assert.equal(sent().length, 1);
  identity.own("ann");
  assert.equal(drafts.get("c1").text, "A secret");
  bus.emit("connection", { online: true });
  outbox.retry(key);
  await gone();
  assert.deepEqual(server.asked.at(-1).body, { ...ASK, client_key: key, owner: "ann" });
});

test("an edit that has arrived leaves nothing to write", () => {
  drafts.put("c1", { text: "Again", sent: { key: "k", text: "Again" } });
  assert.equal(drafts.arrived("c1", "k"), true);
  drafts.put("c1", { text: "Again, and more", sent: { key: "k", text: "Again" } });
  assert.equal(drafts.arrived("c1", "k"), false);
  assert.equal(drafts.get("c1").text, "Again, and more");
});

test("a stop is remembered until the server has heard it", async () => {
  server.answer = away;
  await stops.want("reply");
  assert.ok(stops.wanted("reply"));
  server.answer = () => [202, null];
  stops.open();
  await until(() => !stops.wanted("reply"));
  assert.deepEqual(new Set(server.asked.map(({ path }) => path)), new Set(["api/messages/reply/stop"]));
});

test("a stop before the answer stops the reply that comes", async () => {
  let release;
  server.answer = (path, body) => (path === "api/turns" ? new Promise((resolve) => (release = () => resolve(taken(body)))) : [202, null]);
  const key = add();
  outbox.stop(key);
  await until(() => release);
  release();
  await until(() => server.asked.some(({ path }) => path === `api/messages/reply-${key}/stop`));
});
