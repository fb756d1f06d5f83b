// What a tester finds in a conversation that has not begun: what this is, what is wanted, and what they may do.

import { h } from "../dom.js";
import { language } from "../i18n.js";
import { markdownView } from "../markdown.js";
import { lastDay } from "../times.js";
import { facts } from "./link.js";

/** @import { GuestLink, Translate } from "../types.js" */

// A link that says nothing to its tester leaves the page its own greeting.
/** @param {GuestLink} link */
export const saysSomething = (link) => Boolean(link.instructions || link.opening || link.consent || facts(link).length);

// model: what the answering model is called here.
/** @param {GuestLink} link @param {string} model @param {Translate} t */
export function testerWelcome(link, model, t) {
  const { name, instructions, expires_at: end } = link;
  const about = [
    model && t("tester.model", { model }),
    ...facts(link).map(({ key, params }) => t(key, params)),
    end && t("tester.until", { date: lastDay(end, language, "long") }),
  ].filter(Boolean);
  return h(
    "div",
    { class: "wc-tester-welcome" },
    h("h1", { dir: "auto" }, name || t("tester.invitation")),
    about.length > 0 && h("p", { class: "wc-muted" }, about.join(" · ")),
    instructions && written(instructions, t),
  );
}

// The first thing said, by the model's side: before the tester says anything.
/** @param {string} words @param {string} model @param {Translate} t */
export function openingMessage(words, model, t) {
  const author = model || t("transcript.assistant");
  return h("article", { class: "wc-msg wc-reply wc-opening", "aria-label": t("transcript.reply_by", { model: author }) }, h("div", { class: "wc-model" }, author), written(words, t));
}

/** @param {string} words @param {Translate} t */
function written(words, t) {
  const element = h("div", { class: "wc-md", dir: "auto" });
  markdownView(element, { t }).set(words);
  return element;
}
