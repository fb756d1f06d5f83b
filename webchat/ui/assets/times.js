// Distances in time, in words. Without a document, so that it can be tested by itself.

const UNITS = [["day", 86_400], ["hour", 3600], ["minute", 60]];

function rounded(seconds, round) {
  const [unit, size] = UNITS.find(([, size]) => Math.abs(round(seconds / size)) >= 1) ?? UNITS.at(-1);
  return [round(seconds / size) || 0, unit];
}

// "3 days ago", "yesterday". iso: before `now`.
export function ago(iso, now, language) {
  return new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(...rounded((new Date(iso) - now) / 1000, Math.trunc));
}

// "27 days": from `now` until `iso`, "0 minutes" once it is past.
export function until(iso, now, language) {
  const [count, unit] = rounded(Math.max(0, (new Date(iso) - now) / 1000), Math.round);
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(count);
}
