// Distances in time, in words. Without a document, so that it can be tested by itself.

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [["day", 86_400], ["hour", 3600], ["minute", 60]];

/** @param {number} seconds @param {(count: number) => number} round @returns {[number, Intl.RelativeTimeFormatUnit]} */
function rounded(seconds, round) {
  const [unit, size] = UNITS.find(([, size]) => Math.abs(round(seconds / size)) >= 1) ?? UNITS[UNITS.length - 1];
  return [round(seconds / size) || 0, unit];
}

// "3 days ago", "yesterday". iso: before `now`.
/** @param {string} iso @param {Date} now @param {string} language */
export function ago(iso, now, language) {
  return new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(...rounded((Date.parse(iso) - now.getTime()) / 1000, Math.trunc));
}

// "27 days": from `now` until `iso`, "0 minutes" once it is past.
/** @param {string} iso @param {Date} now @param {string} language */
export function until(iso, now, language) {
  const [count, unit] = rounded(Math.max(0, (Date.parse(iso) - now.getTime()) / 1000), Math.round);
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(count);
}

// The last day of a key or link. One that was written as a date ends with that day in UTC, and reads the same in every
// time zone.
/** @param {string} end @param {string} language @param {"medium" | "long"} [dateStyle] */
export function lastDay(end, language, dateStyle = "medium") {
  const at = Date.parse(end);
  return new Date(at - 1).toLocaleDateString(language, { dateStyle, ...(at % 86_400_000 ? {} : { timeZone: "UTC" }) });
}
