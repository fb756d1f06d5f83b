// The link's own questions to its tester: a form whose answers are saved as they are given.

import { api } from "../api.js";
import { bus } from "../bus.js";
import { connection } from "../connection.js";
import { h } from "../dom.js";
import { errorLine, t } from "../i18n.js";
import { openSheet } from "../sheet.js";

/** @import { Question } from "../types.js" */

const SCALE = ["1", "2", "3", "4", "5"];
const PAUSE = 800; // ms after the last key
const LONGEST = 2000; // characters of a text

let open = false;

export async function openQuestions() {
  const { link } = connection;
  if (open || !link) return;
  open = true;
  const asked = link.questions.map((question) => new Asked(question, link.answers[question.id]));
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
  #timer = 0;
  #saving = false;

  /** @param {Question} question @param {string | number} [answer] */
  constructor(question, answer = "") {
    this.#question = question;
    this.#saved = this.#wanted = String(answer);
    this.element = h("fieldset", { class: "wc-question" }, h("legend", { dir: "auto" }, question.text), this.#control(), this.#state);
  }

  /** @returns {HTMLElement} */
  #control() {
    const { kind, choices } = this.#question;
    if (kind === "text") return this.#box();
    return kind === "scale" ? this.#scale() : h("div", { class: "wc-question-choices" }, choices.map((choice) => this.#radio(choice)));
  }

  #scale() {
    const { choices } = this.#question;
    const named = choices.length ? [choices[0], choices[choices.length - 1]] : [t("tester.scale_low"), t("tester.scale_high")];
    const ends = h("div", { class: "wc-question-ends wc-muted" }, named.map((end) => h("span", { dir: "auto" }, end)));
    return h("div", {}, h("div", { class: "wc-question-scale" }, SCALE.map((value) => this.#radio(value))), ends);
  }

  /** @param {string} value */
  #radio(value) {
    const input = h("input", { type: "radio", name: `wc-question-${this.#question.id}`, value, checked: value === this.#saved, onchange: () => this.#want(value, 0) });
    return h("label", { class: "wc-question-choice" }, input, h("span", { dir: "auto" }, value));
  }

  #box() {
    const box = h("textarea", { class: "wc-input", rows: "3", maxlength: String(LONGEST), dir: "auto", "aria-label": this.#question.text, oninput: () => this.#want(box.value, PAUSE), onchange: () => this.flush() });
    box.value = this.#saved;
    return box;
  }

  /** @param {string} value @param {number} wait */
  #want(value, wait) {
    this.#wanted = value;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), wait);
  }

  // What is not saved yet is, one after the other.
  async flush() {
    clearTimeout(this.#timer);
    const { id, kind } = this.#question;
    const wanted = this.#wanted;
    if (this.#saving || wanted === this.#saved) return;
    this.#saving = true;
    this.#say(t("tester.saving"));
    const answer = kind === "scale" ? Number(wanted) : wanted.trim() || null;
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
