// Distances in time, in both languages, and the days of the list of conversations.

import assert from "node:assert/strict";
import { test } from "node:test";

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
