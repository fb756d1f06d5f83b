// What a template makes of its values, asked of the server a moment after the last change.

import { h } from "../dom.js";
import { t } from "../i18n.js";
import { problemText, verbs } from "./data.js";

/** @import { Failure, RenderedTemplate } from "../types.js" */

const WAIT = 250; // ms

// ask(): the body of api/templates/render, null for nothing to ask. onProblem(error): it was refused. onText({system, user}): it was made.
export class Preview {
  #ask;
  #onProblem;
  #onText;
  #timer = 0;
  /** @type {AbortController | null} */
  #abort = null;
  #shown = "";

  /** @param {{ ask(): object | null, onProblem?(error: Failure): void, onText?(made: RenderedTemplate): void }} options */
  constructor({ ask, onProblem = () => {}, onText = () => {} }) {
    this.element = h("div", { class: "wc-preview", "aria-label": t("templates.preview"), role: "region" });
    this.#ask = ask;
    this.#onProblem = onProblem;
    this.#onText = onText;
  }

  later() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.now(), WAIT);
  }

  async now() {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    const { signal } = (this.#abort = new AbortController());
    const body = this.#ask();
    if (!body) return this.#draw({ system: "", user: "" });
    try {
      const made = await verbs.render(body, signal);
      this.#draw(made);
      this.#onText(made);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.#problem(error);
      this.#onProblem(error);
    }
  }

  stop() {
    clearTimeout(this.#timer);
    this.#abort?.abort();
  }

  /** @param {RenderedTemplate} made */
  #draw({ system, user, problems = [] }) {
    const parts = [["templates.system", system], ["templates.user", user]].filter(([, words]) => words);
    const shown = JSON.stringify([parts, problems]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.element.classList.remove("wc-old");
    this.element.replaceChildren(
      ...parts.map(([key, words]) => h("section", {}, h("h3", {}, t(key)), h("div", { class: "wc-preview-text", dir: "auto", tabindex: "0" }, words))),
      ...(parts.length ? [] : [h("p", { class: "wc-quiet" }, t("templates.preview_empty"))]),
      ...problems.map((problem) => h("p", { class: "wc-danger" }, problem)),
    );
  }

  // What was made before stays, as long as it is clear that it is older.
  /** @param {Failure} error */
  #problem(error) {
    this.#shown = "";
    this.element.classList.add("wc-old");
    this.element.querySelector(".wc-preview-problem")?.remove();
    const words = error.code === "template_values" ? t("templates.preview_waits") : problemText(error);
    this.element.prepend(h("p", { class: "wc-preview-problem" }, words));
  }
}
