// What a question of the link is answered with: a choice, a scale or a box.

import { h } from "../dom.js";
import { t } from "../i18n.js";

/** @import { Question } from "../types.js" */

const SCALE = ["1", "2", "3", "4", "5"];
const PAUSE = 800; // ms after the last key
const LONGEST = 2000; // characters of a text

let count = 0;

/** want: told of each change, and of each pause in typing. */
/** @param {Question} question @param {string} given @param {(value: string) => void} want @returns {HTMLElement} */
export function control(question, given, want) {
  const { text, kind, choices } = question;
  if (kind === "text") return typed({ class: "wc-input", rows: "3", maxlength: String(LONGEST), "aria-label": text }, given, want);
  const name = `wc-question-${++count}`;
  /** @param {string} value */
  const radio = (value) => {
    const input = h("input", { type: "radio", name, value, checked: value === given, onchange: () => want(value) });
    return h("label", { class: "wc-question-choice" }, input, h("span", { dir: "auto" }, value));
  };
  if (kind === "choice") return h("div", { class: "wc-question-choices" }, choices.map(radio));
  const named = choices.length ? [choices[0], choices[choices.length - 1]] : [t("tester.scale_low"), t("tester.scale_high")];
  const ends = h("div", { class: "wc-question-ends wc-muted" }, named.map((end) => h("span", { dir: "auto" }, end)));
  return h("div", {}, h("div", { class: "wc-question-scale" }, SCALE.map(radio)), ends);
}

/** A box that tells its words after a pause, and when it is left. */
/** @param {import("../dom.js").Attributes} attributes @param {string} given @param {(value: string) => void} want */
export function typed(attributes, given, want) {
  let told = given;
  let timer = 0;
  const tell = () => {
    clearTimeout(timer);
    if (box.value === told) return;
    told = box.value;
    want(told);
  };
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(tell, PAUSE);
  };
  const box = h("textarea", { dir: "auto", ...attributes, oninput: later, onchange: tell });
  box.value = given;
  return box;
}

/** An answer as the server takes it; null takes it back. */
/** @param {Question} question @param {string} value */
export const answerOf = ({ kind }, value) => (kind === "scale" ? Number(value) : value.trim() || null);
