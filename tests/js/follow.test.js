// A tab's end of the event stream, with a hub whose words the test puts into its mouth.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import "./browser.js";

const { Line } = await import("../../webchat/ui/assets/follow.js");

const workers = [];
globalThis.SharedWorker = class {
  port = { said: [], postMessage: (message) => this.port.said.push(message), close: () => {} };

  constructor() {
    workers.push(this);
  }
};

let line, told;

beforeEach(() => {
  told = [];
  const tell = (what) => (data) => told.push([what, data]);
  line = new Line("http://page/api/events", { onLine: tell("line"), onNews: tell("news") });
  line.handlers = { onDelta: ({ seq }) => told.push(["delta", seq]), onStatus: tell("status"), onDone: tell("done"), onGone: () => told.push(["gone"]) };
});

const port = () => workers.at(-1).port;
const hear = (data) => port().onmessage({ data });
const delta = (seq) => hear({ type: "delta", id: "r", data: { message_id: "r", seq } });
const shown = () => port().said.filter(({ type }) => type === "show").map(({ replies }) => replies);

test("each piece is taken once and in order, and what is missing is asked for again", () => {
  line.follow("r", { from: 2, ...line.handlers });
  assert.deepEqual(shown().at(-1), { r: 2 });
  for (const seq of [3, 3, 2, 4, 6]) delta(seq);
  assert.deepEqual(told, [["delta", 3], ["delta", 4]]);
  assert.deepEqual(shown().slice(-2), [{}, { r: 4 }]);
  for (const seq of [5, 6]) delta(seq);
  assert.deepEqual(told.slice(2), [["delta", 5], ["delta", 6]]);
});

test("a reply ends once", () => {
  line.follow("r", line.handlers);
  hear({ type: "done", id: "r", data: "whole" });
  hear({ type: "done", id: "r", data: "whole" });
  delta(1);
  assert.deepEqual(told, [["done", "whole"]]);
});

test("nothing is told of a reply that is no longer followed", () => {
  const stop = line.follow("r", line.handlers);
  stop();
  assert.deepEqual(shown().at(-1), {});
  delta(1);
  assert.deepEqual(told, []);
});

test("what happens elsewhere is told, and whether the line is open", () => {
  hear({ type: "here" });
  hear({ type: "line", open: true, gap: false });
  hear({ type: "begun", data: { conversation_id: "c" } });
  assert.deepEqual(told, [["line", { open: true, gap: false }], ["news", { type: "begun", conversation_id: "c" }]]);
  assert.equal(line.open, true);
});

test("a line that is closed says goodbye and hears nothing more", () => {
  line.follow("r", line.handlers);
  line.close();
  assert.deepEqual(port().said.at(-1), { type: "bye" });
  delta(1);
  assert.deepEqual(told, []);
});

test("what a worker that broke has still to say counts no more", () => {
  line.follow("r", line.handlers);
  workers.at(-1).onerror();
  assert.deepEqual(port().said.at(-1), { type: "bye" });
  delta(1);
  assert.deepEqual(told, []);
});
