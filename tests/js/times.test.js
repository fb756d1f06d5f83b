// Distances in time and places in line, in both languages, and the days of the list of conversations.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { placeText } from "../../webchat/ui/assets/conversation/format.js";
import { calendar } from "../../webchat/ui/assets/sidebar/calendar.js";
import { ago, lastDay, until } from "../../webchat/ui/assets/times.js";

const NOW = new Date(1e12);
const DAY = 86_400;
const after = (seconds) => new Date(1e12 + 1000 * seconds).toISOString();

test("how long ago", () => {
  const cases = [
    [0, "this minute", "此刻"],
    [59, "this minute", "此刻"],
    [61, "1 minute ago", "1分钟前"],
    [3 * 3600, "3 hours ago", "3小时前"],
    [DAY, "yesterday", "昨天"],
    [29.9 * DAY, "29 days ago", "29天前"],
  ];
  for (const [seconds, en, zh] of cases) assert.deepEqual([ago(after(-seconds), NOW, "en"), ago(after(-seconds), NOW, "zh-CN")], [en, zh]);
});

test("how long until", () => {
  const cases = [
    [-5, "0 minutes", "0分钟"],
    [600, "10 minutes", "10分钟"],
    [7 * 3600, "7 hours", "7小时"],
    [DAY, "1 day", "1天"],
    [30 * DAY - 1, "30 days", "30天"],
  ];
  for (const [seconds, en, zh] of cases) assert.deepEqual([until(after(seconds), NOW, "en"), until(after(seconds), NOW, "zh-CN").replaceAll(" ", "")], [en, zh]);
});

test("the last day is the one that was written, in every time zone", () => {
  const zone = process.env.TZ;
  for (const TZ of ["America/Los_Angeles", "UTC", "Asia/Shanghai"]) {
    process.env.TZ = TZ;
    assert.deepEqual([lastDay("2027-02-01T00:00:00Z", "en"), lastDay("2027-02-01T00:00:00Z", "zh-CN", "long")], ["Jan 31, 2027", "2027年1月31日"]);
  }
  process.env.TZ = "Asia/Shanghai"; // of seven days from now
  assert.equal(lastDay("2027-01-31T20:00:00.000Z", "en"), "Feb 1, 2027");
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

test("conversations are grouped by day", () => {
  const named = calendar(new Date(2026, 2, 10, 15), "en", (key) => key);
  const groups = [0, 1, 2, 7, 8, 20, 100].map((back) => named(new Date(2026, 2, 10 - back, 14).toISOString()));
  assert.deepEqual(groups, ["sidebar.today", "sidebar.yesterday", "sidebar.week", "sidebar.week", "March", "February", "November 2025"]);
});

const placed = (language, places) => {
  const address = new URL(`../../webchat/ui/locales/${language}/transcript.json`, import.meta.url);
  const table = JSON.parse(readFileSync(address, "utf8"));
  const t = (key, params = {}) => table[key].replace(/\{(\w+)\}/g, (_, name) => params[name]);
  return places.map(([place, eta_seconds]) => placeText({ place, eta_seconds }, t, language).replaceAll("\u00a0", " "));
};

test("a place in line, and how long it may take, read as people say them", () => {
  const ordinals = ["2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "23rd", "101st", "111th"];
  const numbers = ordinals.map((ordinal) => [Number.parseInt(ordinal), null]);
  assert.deepEqual(placed("en", numbers), ordinals.map((ordinal) => `${ordinal} in line`));
  assert.deepEqual(placed("en", [[1, null], [1, 0.4], [3, 21.4], [4, 58], [4, 100]]), [
    "You are next",
    "You are next, about 5 s",
    "3rd in line, about 20 s",
    "4th in line, about 1 min",
    "4th in line, about 1 min 30 s",
  ]);
  assert.deepEqual(placed("zh-CN", [[1, null], [2, null], [3, 21.4], [22, 100]]), [
    "下一个就是你",
    "排在第 2 位",
    "排在第 3 位，预计还需 20 秒",
    "排在第 22 位，预计还需 1 分钟 30 秒",
  ]);
});
