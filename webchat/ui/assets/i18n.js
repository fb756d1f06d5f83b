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

// What happened and what to do, from an ApiError or a message's `failure`; unknown codes keep the server's English.
export function errorText(error) {
  const params = { ...error.params };
  if (typeof params.retry_after === "number") params.retry_after = Math.ceil(params.retry_after);
  const sentence = (key, fallback) => {
    if (!has(key)) return fallback ?? "";
    const text = t(key, params);
    return /\{\w+\}/.test(text) ? (fallback ?? "") : text; // a value is missing: the server's sentence has it
  };
  return {
    message: sentence(`error.${error.code}`, error.message) || t("error.unknown"),
    cure: sentence(`error.${error.code}.cure`, error.cure),
  };
}

export function errorLine(error) {
  const { message, cure } = errorText(error);
  return cure ? `${message} ${cure}` : message;
}
