// What stands in a conversation that has not begun.

import { h } from "../dom.js";
import { icon } from "./icons.js";

/** @import { Translate } from "../types.js" */

const SUGGESTIONS = /** @type {const} */ ({ explain: "bulb", write: "letter", code: "code", plan: "map" });

// examples: a function's own messages to begin with, in place of ours.
/** @param {Translate} t @param {(text: string) => void} onSuggest @param {string[]} [examples] */
export function welcome(t, onSuggest, examples = []) {
  const own = examples.map((text) => h("li", {}, h("button", { type: "button", class: "wc-suggestion", dir: "auto", onclick: () => onSuggest(text) }, h("span", {}, text))));
  const cards = own.length ? own : Object.entries(SUGGESTIONS).map(([key, glyph]) => {
    const text = t(`transcript.suggest.${key}.text`);
    return h(
      "li",
      {},
      h(
        "button",
        { type: "button", class: "wc-suggestion", onclick: () => onSuggest(text) },
        icon(glyph),
        h("span", { class: "wc-suggestion-title" }, t(`transcript.suggest.${key}`)),
        h("span", { class: "wc-muted" }, text),
      ),
    );
  });
  return h(
    "div",
    { class: "wc-welcome" },
    h("h1", {}, t("transcript.greeting")),
    h("p", { class: "wc-muted" }, t("transcript.greeting_hint")),
    h("ul", { "aria-label": t("transcript.suggestions") }, cards),
  );
}
