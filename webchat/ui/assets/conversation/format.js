// Durations and sizes as people read them.

/** "4 s", "1.5 s", "2 min 5 s". */
export function duration(seconds, t) {
  if (seconds < 60) return t("transcript.seconds", { count: seconds < 9.95 ? Math.round(seconds * 10) / 10 : Math.round(seconds) });
  const whole = Math.round(seconds);
  const minutes = t("transcript.minutes", { count: Math.floor(whole / 60) });
  return whole % 60 && whole < 600 ? `${minutes} ${t("transcript.seconds", { count: whole % 60 })}` : minutes;
}

/** The same in whole seconds, for what is still counting or guessed. */
export function roughly(seconds, t) {
  return duration(Math.max(1, Math.round(seconds)), t);
}

/** "43 MB", "1.2 GB": decimal units, as downloads are announced. */
export function bytes(count, language) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, count)) / 3)));
  const value = count / 1000 ** step;
  return `${value.toLocaleString(language, { maximumFractionDigits: step > 2 && value < 100 ? 1 : 0 })} ${units[step]}`;
}

/** Where in line someone is, from {place, eta_seconds}: "3rd in line, about 20 s", "You are next". */
export function placeText({ place, eta_seconds: eta }, t, language) {
  const kind = new Intl.PluralRules(language, { type: "ordinal" }).select(place);
  const where = place === 1 ? t("transcript.queue.next") : t(`transcript.queue.place.${kind}`, { place });
  if (eta === null || eta === undefined) return where;
  // Guesses are not counted down by the second: people would hold the page to it.
  const rough = eta < 57.5 ? Math.max(5, 5 * Math.round(eta / 5)) : 30 * Math.round(eta / 30);
  return t("transcript.queue.about", { where, time: roughly(rough, t) });
}

/** What a loading model is at, from {phase, done, total, eta_seconds}: {text, fraction|null}. */
export function progressText({ phase, done, total, eta_seconds: eta }, t, language) {
  const what = t(`transcript.progress.${phase}`);
  if (!total || done === null || done === undefined) return { text: what, fraction: null };
  const fraction = Math.min(1, done / total);
  const parts = [t("transcript.progress.percent", { what, percent: Math.floor(100 * fraction) })];
  if (total >= 1e6) {
    parts.push(t("transcript.progress.bytes", { done: bytes(done, language), total: bytes(total, language) }));
  }
  if (eta) parts.push(t("transcript.progress.left", { time: roughly(eta, t) }));
  return { text: parts.join(language.startsWith("zh") ? "，" : ", "), fraction };
}
