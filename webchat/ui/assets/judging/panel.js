// Below a reply: why it was rated, a comment, and a better answer. What is said is saved at once.

import { api } from "../api.js";
import { connection } from "../connection.js";
import { h } from "../dom.js";
import { icon } from "../conversation/icons.js";
import { errorLine, t } from "../i18n.js";
import { style } from "../style.js";
import { toast } from "../toast.js";
import { answerOf, control, typed } from "../tester/control.js";
import { asked, isKey, questionsFor, reasonsFor } from "./asked.js";
import { compared } from "./better.js";
import { Saving } from "./saving.js";

/** @import { Judgement, JudgementBody, Question } from "../types.js" */
/** @import { MessageView } from "../message.js" */

const MOST = "4000"; // characters of a comment

let count = 0;

/** What the panel of a reply is saving.
 *  @type {WeakMap<MessageView, Saving>} */
export const savings = new WeakMap();

/** @typedef {{ write(): void, remove(): void, close(): void }} Deeds */

/** The panel of one reply; null where there is nothing to ask or to show. */
/** @param {MessageView} view @param {Judgement} judgement @param {Deeds} deeds */
export function panel(view, judgement, { write, remove, close }) {
  const { link } = connection;
  const asks = asked(link);
  const { rating } = judgement;
  const reasons = reasonsFor(rating, link);
  const offers = rating < 0 && asks.better && !judgement.better;
  const own = questionsFor(link);
  if (!judgement.better && !own.length && !(rating && (reasons.length || asks.comment || offers))) return null;
  style("judging");
  const state = h("span", { class: "wc-judge-state wc-muted", role: "status" });
  const saving = new Saving(
    (body) => send(view, body),
    (how, error) => {
      const failed = how === "failed";
      state.textContent = failed ? `${t("judge.not_saved")} ${errorLine(error)}` : t(`judge.${how}`);
      state.classList.toggle("wc-danger", failed);
      if (failed && !state.isConnected) toast(state.textContent, { kind: "error" });
    },
  );
  savings.set(view, saving);
  const title = h("span", { class: "wc-judge-title", id: `wc-judge-${++count}` }, rating ? t(rating > 0 ? "judge.why_good" : "judge.why_bad") : t("judge.title"));
  const closing = h("button", { type: "button", class: "wc-action", "aria-label": t("judge.close"), title: t("judge.close"), onclick: close }, icon("close"));
  return h(
    "section",
    { class: "wc-judge", tabindex: "-1", "aria-labelledby": title.id },
    h("div", { class: "wc-judge-head" }, title, state, closing),
    reasons.length > 0 && chips(reasons, judgement.reasons, saving, title.id),
    rating !== 0 && asks.comment && comment(judgement.comment, saving),
    questions(own, judgement.answers, saving),
    judgement.better ? compared(view.record.text.trim(), judgement.better.trim(), { edit: write, remove }) : offers && h("button", { type: "button", class: "wc-button wc-judge-better", onclick: write }, icon("edit"), t("judge.better")),
  );
}

/** Save what is said of a reply; of one that is still written, with how much of it was shown. */
/** @param {MessageView} view @param {JudgementBody} body @returns {Promise<Judgement>} */
export function send({ record, running }, body) {
  return api.put(`api/messages/${record.id}/judgement`, running ? { ...body, seq: record.seq } : body);
}

/** @param {readonly string[]} reasons @param {readonly string[]} given @param {Saving} saving @param {string} labelled */
function chips(reasons, given, saving, labelled) {
  const chosen = new Set(given);
  /** @param {string} reason */
  const chip = (reason) => {
    const button = h("button", { type: "button", class: "wc-chip", dir: "auto", "aria-pressed": String(chosen.has(reason)), onclick: toggle }, isKey(reason) ? t(`judge.reason.${reason}`) : reason);
    function toggle() {
      if (!chosen.delete(reason)) chosen.add(reason);
      button.setAttribute("aria-pressed", String(chosen.has(reason)));
      saving.save({ reasons: reasons.filter((one) => chosen.has(one)) });
    }
    return button;
  };
  return h("div", { class: "wc-judge-chips", role: "group", "aria-labelledby": labelled }, reasons.map(chip));
}

/** @param {string} text @param {Saving} saving */
function comment(text, saving) {
  const attributes = { class: "wc-input wc-judge-comment", rows: "1", maxlength: MOST, "aria-label": t("judge.comment"), placeholder: t("judge.comment") };
  return typed(attributes, text, (words) => saving.save({ comment: words }));
}

/** @param {Question[]} asked @param {Judgement["answers"]} given @param {Saving} saving */
function questions(asked, given, saving) {
  /** @type {NonNullable<JudgementBody["answers"]>} */
  let answers = {}; // all that were given here: what is still to be saved is not lost to the next
  return asked.map((question) => {
    /** @param {string} value */
    const want = (value) => saving.save({ answers: (answers = { ...answers, [question.id]: answerOf(question, value) }) });
    return h("fieldset", { class: "wc-question" }, h("legend", { dir: "auto" }, question.text), control(question, String(given[question.id] ?? ""), want));
  });
}
