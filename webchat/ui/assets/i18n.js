// The page's words. The table of the chosen language is one immutable file beside this module.

export const language = document.documentElement.lang || "en";

const table = await load();

async function load() {
  const answer = await fetch(new URL(`./locales/${language}.json`, import.meta.url));
  return answer.ok ? answer.json() : {};
}

export function has(key) {
  return key in table;
}

export function t(key, params = {}) {
  const text = table[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => format(params[name] ?? whole));
}

function format(value) {
  return typeof value === "number" ? value.toLocaleString(language, { maximumFractionDigits: 3 }) : String(value);
}

// What happened and what to do, from an ApiError or a message's `failure`. The server's sentences are English and say
// more than ours, so they go first in English; elsewhere they are `detail`, for whoever can use it.
export function errorText(error) {
  const params = { ...error.params };
  if (typeof params.retry_after === "number") params.retry_after = Math.ceil(params.retry_after);
  const ours = (key) => {
    const text = has(key) ? t(key, params) : "";
    return /\{\w+\}/.test(text) ? "" : text; // a value is missing: the server's sentence has it
  };
  if (params.own) return { message: error.message, cure: error.cure ?? "", detail: "" }; // the operator's own words
  const message = ours(`error.${error.code}`);
  const cure = ours(`error.${error.code}.cure_after`) || ours(`error.${error.code}.cure`); // in seconds, where they are known
  if (language === "en") return { message: error.message || message || t("error.unknown"), cure: error.cure || cure, detail: "" };
  return { message: message || error.message || t("error.unknown"), cure: cure || error.cure || "", detail: error.message ?? "" };
}

export function errorLine(error) {
  const { message, cure } = errorText(error);
  return cure ? `${message} ${cure}` : message;
}
