// What stands in a conversation that has not begun.

import { h } from "../dom.js";
import { icon } from "./icons.js";

/** @import { Translate } from "../types.js" */

const SUGGESTIONS = /** @type {const} */ ({ explain: "bulb", write: "letter", code: "code", plan: "map" });

/** @param {Translate} t @param {(text: string) => void} onSuggest */
export function welcome(t, onSuggest) {
  const cards = Object.entries(SUGGESTIONS).map(([key, glyph]) => {
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
