// The link's own questions to its tester: a form whose answers are saved as they are given.

import { api } from "../api.js";
import { bus } from "../bus.js";
import { connection } from "../connection.js";
import { h } from "../dom.js";
import { errorLine, t } from "../i18n.js";
import { openSheet } from "../sheet.js";
import { answerOf, control } from "./control.js";
import { askedOnce } from "./link.js";

/** @import { Question } from "../types.js" */

let open = false;

export async function openQuestions() {
  const { link } = connection;
  if (open || !link) return;
  open = true;
  const asked = askedOnce(link).map((question) => new Asked(question, link.answers[question.id]));
  const body = h("div", { class: "wc-questions-list" }, h("p", { class: "wc-muted" }, t("tester.questions_hint")), asked.map(({ element }) => element));
  const off = bus.on("out", () => sheet.dialog.close());
  const onClose = () => {
    open = false;
    off();
    for (const one of asked) one.flush();
  };
  const sheet = openSheet("questions", { title: t("tester.questions_title"), body, onClose });
  body.querySelector("input, textarea")?.focus({ preventScroll: true });
}

class Asked {
  #question;
  #state = h("p", { class: "wc-field-hint", role: "status" });
  #saved;
  #wanted;
  #saving = false;

  /** @param {Question} question @param {string | number} [answer] */
  constructor(question, answer = "") {
    this.#question = question;
    this.#saved = this.#wanted = String(answer);
    this.element = h("fieldset", { class: "wc-question" }, h("legend", { dir: "auto" }, question.text), control(question, this.#saved, (value) => this.#want(value)), this.#state);
  }

  /** @param {string} value */
  #want(value) {
    this.#wanted = value;
    this.flush();
  }

  // What is not saved yet is, one after the other.
  async flush() {
    const { id } = this.#question;
    const wanted = this.#wanted;
    if (this.#saving || wanted === this.#saved) return;
    this.#saving = true;
    this.#say(t("tester.saving"));
    const answer = answerOf(this.#question, wanted);
    try {
      await api.post("api/answers", { answers: { [id]: answer } });
    } catch (error) {
      return this.#say(`${t("tester.not_saved")} ${errorLine(error)}`, true);
    } finally {
      this.#saving = false;
    }
    this.#saved = wanted;
    this.#say(t("tester.saved"));
    remember(id, answer);
    this.flush();
  }

  /** @param {string} words @param {boolean} [bad] */
  #say(words, bad = false) {
    this.#state.textContent = words;
    this.#state.classList.toggle("wc-danger", bad);
  }
}

/** @param {string} id @param {string | number | null} answer */
function remember(id, answer) {
  const { link } = connection;
  if (!link) return;
  const answers = { ...link.answers };
  if (answer === null) delete answers[id];
  else answers[id] = answer;
  connection.link = { ...link, answers };
}
