// The settings of the conversation on the screen: what is shown is what is used, and what was chosen last is what is stored.

import assert from "node:assert/strict";
import { registerHooks } from "node:module";
import { beforeEach, test } from "node:test";

import { server, until } from "./browser.js";

const SILENT = "data:text/javascript,export const toast = () => {}"; // notices need a page
registerHooks({ resolve: (name, context, next) => (name.endsWith("/toast.js") ? { url: SILENT, shortCircuit: true } : next(name, context)) });

const { drafts } = await import("../../webchat/ui/assets/drafts.js");
const { identity } = await import("../../webchat/ui/assets/identity.js");
const { settings } = await import("../../webchat/ui/assets/settings.js");

const STORED = { model: "m", system_prompt: null, sampling: {}, persona: null };
const at = (temperature) => ({ sampling: { temperature } });

await identity.open();
identity.own("ann");

let chats = 0;
let chat;
let waiting;
const saved = () => server.asked.map(({ body }) => body.settings.sampling.temperature);
const answer = (_path, { settings: stored }) => [200, { id: chat, settings: stored }];

beforeEach(() => {
  chat = `c${(chats += 1)}`;
  waiting = [];
  Object.assign(server, { asked: [], answer });
  settings.show(chat, STORED);
});

const hold = () => (server.answer = (path, body) => new Promise((resolve) => waiting.push(() => resolve(answer(path, body)))));

test("a new chat holds its settings until its first message", async () => {
  settings.show(null);
  await settings.update(at(0.5));
  assert.deepEqual(server.asked, []);
  assert.equal(drafts.get("settings:new").sampling.temperature, 0.5);
  settings.adopt({ id: "made", settings: { ...STORED, ...at(0.5) } });
  assert.equal(drafts.get("settings:new"), null);
  assert.equal(settings.current.sampling.temperature, 0.5);
});

test("saves go one after the other, so that what was chosen last is stored last", async () => {
  hold();
  const done = [settings.update(at(0.1)), settings.update(at(0.2))];
  await until(() => waiting.length === 1);
  assert.deepEqual(saved(), [0.1]);
  waiting[0]();
  await until(() => waiting.length === 2);
  waiting[1]();
  assert.deepEqual(await Promise.all(done), [true, true]);
  assert.deepEqual(saved(), [0.1, 0.2]);
  assert.equal(settings.current.sampling.temperature, 0.2);
  assert.equal(drafts.get(`settings:${chat}`), null);
});

test("what is read while something is being saved does not undo it", async () => {
  hold();
  const done = settings.update(at(0.3));
  settings.show(chat, STORED);
  assert.equal(settings.current.sampling.temperature, 0.3);
  await until(() => waiting.length);
  waiting[0]();
  assert.equal(await done, true);
});

test("what is chosen before the stored settings have come is chosen on top of them", async () => {
  const other = `c${(chats += 1)}`;
  settings.show(other);
  await settings.update({ model: "n" });
  await settings.update(at(0.6));
  assert.deepEqual(server.asked, []);
  settings.show(other, { ...STORED, system_prompt: "Be brief.", sampling: { top_p: 0.5 } });
  await until(() => server.asked.length);
  const all = { ...STORED, model: "n", system_prompt: "Be brief.", sampling: { temperature: 0.6, top_p: 0.5 } };
  assert.deepEqual(server.asked.at(-1).body.settings, all);
  assert.deepEqual(settings.current, all);
});

test("what is taken back before the stored settings have come stays taken back", async () => {
  const other = `c${(chats += 1)}`;
  settings.show(other);
  await settings.update(at(0.6));
  await settings.update({ sampling: {} });
  settings.show(other, { ...STORED, ...at(0.7) });
  await until(() => server.asked.length);
  assert.deepEqual(settings.current, STORED);
});

test("what could not be reached is kept, and what is refused is not", async () => {
  server.answer = () => {
    throw new TypeError("unreachable");
  };
  assert.equal(await settings.update(at(0.4)), false);
  assert.equal(drafts.get(`settings:${chat}`).sampling.temperature, 0.4);
  server.answer = () => [422, { error: { code: "bad_request", message: "No." } }];
  assert.equal(await settings.update(at(9)), false);
  assert.equal(drafts.get(`settings:${chat}`), null);
});

test("what an ask carried is not newer than what was chosen since", async () => {
  const { settings: carried } = settings.forAsk();
  assert.deepEqual(carried, STORED);
  hold();
  const done = settings.update(at(0.6));
  await until(() => waiting.length);
  waiting[0]();
  await done;
  settings.show(chat, carried);
  assert.equal(settings.current.sampling.temperature, 0.6);
});

test("what was chosen for one chat comes back to it alone", async () => {
  const undo = settings.undo();
  await settings.update(at(0.7));
  settings.show(null);
  const before = settings.current;
  await undo();
  assert.deepEqual(settings.current, before);
  assert.deepEqual(drafts.get(`settings:${chat}`), STORED);
});
