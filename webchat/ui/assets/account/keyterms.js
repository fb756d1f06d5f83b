// What a new key is asked for, read from its form. Without a document, so that it can be tested by itself.

/** @import { ApiKey, NewApiKeyBody } from "../types.js" */
/** @typedef {"requests_per_minute" | "tokens_per_day" | "at_once"} Count */
/** @typedef {{ name: string, expires: string, date: string, scopes: ApiKey["scopes"][number][], models: string[], stored: boolean, counts: Record<Count, string> }} Filled */
/** @typedef {{ field: keyof Filled | Count, problem: string }} Wrong */

/** @type {readonly ApiKey["scopes"][number][]} */
export const SCOPES = ["chat", "read", "write"];
/** @type {readonly Count[]} */
export const COUNTS = ["requests_per_minute", "tokens_per_day", "at_once"];
export const LIFETIMES = ["30d", "90d", "365d", "never", "date"];
const MOST_COUNT = 2 ** 31 - 1;

// What was filled in, as the server takes it; or the first field that is wrong, in their order. today: as in `2027-01-31`.
/** @param {Filled} filled @param {string} today @returns {{ body: NewApiKeyBody } | Wrong} */
export function read({ name, expires, date, scopes, models, stored, counts }, today) {
  if (!name.trim()) return { field: "name", problem: "keys.name_needed" };
  if (expires === "date" && !(date >= today)) return { field: "date", problem: "keys.date_needed" };
  if (!scopes.length) return { field: "scopes", problem: "keys.scopes_needed" };
  /** @type {Record<Count, number | null>} */
  const limits = { requests_per_minute: null, tokens_per_day: null, at_once: null };
  for (const count of COUNTS) {
    const text = counts[count].trim();
    if (!text) continue;
    const number = /^\d+$/.test(text) ? Number(text) : 0;
    if (number < 1 || number > MOST_COUNT) return { field: count, problem: "keys.count_wrong" };
    limits[count] = number;
  }
  return { body: { name, expires: expires === "date" ? date : expires, terms: { scopes, models, stored, ...limits } } };
}
