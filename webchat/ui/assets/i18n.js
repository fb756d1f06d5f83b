// The page's words. The table of the chosen language is one immutable file beside this module.

/** @import { Failure, Words } from "./types.js" */

export const language = window.webchatConfig?.language ?? "en";

/** @type {Record<string, string>} */
const table = await load();

async function load() {
  const answer = await fetch(new URL(`./locales/${language}.json`, import.meta.url));
  return answer.ok ? answer.json() : {};
}

/** @param {string} key */
export function has(key) {
  return key in table;
}

// `{count}` becomes a value; `{count:chat|chats}` the first word where the value is 1, else the second.
/** @param {string} key @param {Words} [params] */
export function t(key, params = {}) {
  return (table[key] ?? key).replace(/\{(\w+)(?::([^|{}]*)\|([^{}]*))?\}/g, (whole, name, one, many) => {
    const value = params[name] ?? whole;
    return value === whole || one === undefined ? format(value) : Number(value) === 1 ? one : many;
  });
}

/** @param {string[]} words */
export function listed(words) {
  return words.join(t("app.list_separator"));
}

// One after the other; a Chinese full stop has its space within.
/** @param {...(string | null | undefined | false)} some */
export function sentences(...some) {
  const join = (/** @type {string} */ before, /** @type {string} */ next) => `${before}${/[。！？]$/.test(before) ? "" : " "}${next}`;
  return some.filter((one) => typeof one === "string").filter(Boolean).reduce(join, "").trim();
}

/** @param {string | number} value */
function format(value) {
  return typeof value === "number" ? value.toLocaleString(language, { maximumFractionDigits: 3 }) : String(value);
}

// Failures of our own, whose sentence for operators says all that the server's says.
const OWN = ["model_gone", "model_unclear", "server_gone", "model_too_large", "no_room"];

// What happened and what to do, from an ApiError or a message's `failure`. The server decides who reads what: where an
// operator reads, `detail` has the cause and the words of whoever refused, as they are, in every language.
/** @param {Failure} error @returns {{ message: string, cure: string, detail: string }} */
export function errorText(error) {
  const params = { ...error.params };
  if (typeof params.retry_after === "number") params.retry_after = Math.ceil(params.retry_after);
  if (params.own) return { message: error.message ?? "", cure: error.cure ?? "", detail: "" }; // the operator's own words
  /** @param {string} ending */
  const ours = (ending) => {
    const key = `error.${error.code}${ending}`;
    const text = has(key) ? t(key, params) : "";
    return /\{\w+[:}]/.test(text) ? "" : text; // a value is missing
  };
  const operator = error.audience === "operator";
  const full = operator && ours(".operator");
  // What the server says to everybody is English, and may say more than our sentence for the code.
  const theirs = !operator && language === "en" ? error : null;
  return {
    message: theirs?.message || full || ours("") || error.message || t("error.unknown"),
    cure: theirs?.cure || ours(".cure_after") || (operator && ours(".cure_operator")) || ours(".cure") || error.cure || "",
    detail: operator && !(full && OWN.includes(error.code)) ? [error.message, said(error) ? "" : error.cure].filter(Boolean).join(" ") : "",
  };
}

// Whether our cure for the code says all that the server's says.
/** @param {Failure} failure */
function said({ code, cure = "" }) {
  return /^(Try again|Check the settings|Check that it runs)[^;]*$/.test(cure) || ["auth_failed", "rate_limited", "timeout"].includes(code);
}

// The same in one line.
/** @param {Failure} error */
export function errorLine(error) {
  const { message, cure, detail } = errorText(error);
  return sentences(message, detail, detail && !said(error) ? "" : cure);
}
