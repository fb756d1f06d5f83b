// Reviews: one item of a queue at a time, judged by a key or a button. Words stay in their fields until the server has them.

import { api } from "../api.js";
import { sideAt } from "../compare/vote.js";
import { connection } from "../connection.js";
import { copyText, showCopied } from "../copying.js";
import { h } from "../dom.js";
import { errorLine, listed, t } from "../i18n.js";
import { markdownView } from "../markdown.js";
import { openSheet } from "../sheet.js";
import { style } from "../style.js";
import { CHOICES, folded, undoes, verdictOf } from "./verdict.js";

/** @import { AssignedQueue, ReviewTask, Verdict } from "../types.js" */

const LETTERS = ["A", "B"];

let open = false;

export async function openReviews() {
  if (open) return;
  open = true;
  await style("reviewing");
  new Reviews().show();
}

class Reviews {
  #body = h("div", { class: "wc-review-body" });
  #note = h("p", { class: "wc-review-note", role: "status" });
  #foot = h("div", { class: "wc-review-foot" });
  #surface = h("div", { class: "wc-review", tabindex: "-1", onkeydown: (/** @type {KeyboardEvent} */ event) => this.#onKey(event) }, this.#body, this.#foot);
  /** @type {ReturnType<typeof openSheet> | null} */
  #sheet = null;
  /** @type {AssignedQueue | null} */
  #queue = null;
  /** @type {ReviewTask | null} */
  #task = null;
  /** @type {HTMLTextAreaElement | null} */
  #better = null;
  #comment = field("review.comment");
  /** @type {string | null} the item that was judged last, of the same queue */
  #last = null;
  #undo = h("button", { type: "button", class: "wc-button wc-review-undo", hidden: true, onclick: () => this.#takeBack() }, t("review.undo"), h("kbd", { "aria-hidden": "true" }, "Z"));
  #told = h("div", { class: "wc-review-told" }, this.#note, this.#undo);
  #busy = false;

  show() {
    this.#sheet = openSheet("reviews", { title: t("review.title"), body: this.#surface, onClose: () => (open = false), mayClose: () => !this.#unsaved() || confirm(t("review.leave")) });
    this.#queues();
  }

  #unsaved() {
    return Boolean(this.#better && this.#better.value !== this.#task?.replies[0]);
  }

  // --- the queues ---------------------------------------------------------------------------------------------------

  async #queues() {
    const found = await this.#ask(() => api.get("api/reviews"));
    if (!found) return;
    connection.me = { ...connection.me, reviews: found.queues.some(({ given, total }) => given < total) };
    this.#task = this.#queue = null;
    this.#mark(null);
    if (found.queues.length === 1 && found.queues[0].given < found.queues[0].total) return this.#next(found.queues[0].id);
    this.#foot.replaceChildren();
    this.#body.replaceChildren(
      found.queues.length ? h("ul", { class: "wc-review-queues" }, found.queues.map((queue) => h("li", {}, h("button", { type: "button", class: "wc-review-queue", onclick: () => this.#next(queue.id) }, h("strong", { dir: "auto" }, queue.name), progress(queue))))) : h("p", { class: "wc-review-empty" }, t("review.none")),
    );
  }

  // --- an item ------------------------------------------------------------------------------------------------------

  /** @param {string} id of a queue */
  async #next(id) {
    const found = await this.#ask(() => api.post(`api/queues/${id}/next`));
    if (!found) return;
    this.#queue = found.queue;
    this.#task = found.task;
    this.#better = null;
    this.#comment.value = "";
    if (found.task) this.#draw(found.queue, found.task);
    else this.#drawEnd(found.queue);
    if (this.#sheet) this.#sheet.body.scrollTop = 0;
    this.#surface.focus({ preventScroll: true });
  }

  /** @param {AssignedQueue} queue @param {ReviewTask} task */
  #draw(queue, task) {
    const messages = task.prompt.map(({ role, text }) => h("div", { class: `wc-review-message wc-review-${role}`, dir: "auto" }, h("span", { class: "wc-review-role" }, t(role === "user" ? "review.person" : "review.model")), drawn(text)));
    const earlier = folded(messages.length);
    const before = earlier ? h("details", { class: "wc-review-earlier" }, h("summary", {}, t("review.earlier", { count: earlier })), messages.slice(0, earlier)) : null;
    this.#body.replaceChildren(h("div", { class: "wc-review-head" }, h("strong", { dir: "auto" }, queue.name), progress(queue)), h("div", { class: "wc-review-prompt" }, before, messages.slice(earlier)), this.#replies(task));
    this.#drawFoot(task);
  }

  /** @param {ReviewTask} task */
  #replies({ kind, replies }) {
    if (kind === "replies") return h("section", { class: "wc-review-reply", "aria-label": t("review.reply"), dir: "auto" }, h("span", { class: "wc-review-role" }, t("review.reply")), drawn(replies[0] ?? ""));
    const boxes = replies.map((text, at) => h("div", { class: "wc-compare-side", role: "group", "aria-label": t("compare.side", { side: LETTERS[at] ?? "" }), dir: "auto" }, h("span", { class: "wc-review-role" }, LETTERS[at]), drawn(text)));
    const tabs = boxes.map((box, at) => h("button", { type: "button", "aria-pressed": String(at === 0), onclick: () => box.scrollIntoView({ block: "nearest", inline: "start" }) }, LETTERS[at]));
    const row = h("div", { class: "wc-compare-sides", onscroll: () => tabs.forEach((tab, at) => tab.setAttribute("aria-pressed", String(at === (sideAt(row) === "left" ? 0 : 1)))) }, boxes);
    return h("div", { class: "wc-compare" }, h("div", { class: "wc-compare-tabs", role: "group", "aria-label": t("compare.sides") }, tabs), row);
  }

  /** @param {ReviewTask} task */
  #drawFoot(task) {
    const question = h("p", { class: "wc-review-question" }, t(`review.question.${task.kind}`));
    const buttons = CHOICES[task.kind].map(([verdict, key]) => h("button", { type: "button", class: `wc-button ${verdict === "skip" ? "wc-review-skip" : ""}`, "data-do": verdict, onclick: () => this.#choose(verdict) }, t(`review.do.${verdict}`), h("kbd", { "aria-hidden": "true" }, key)));
    this.#foot.replaceChildren(question, h("div", { class: "wc-review-choices" }, buttons), this.#comment, this.#told, keys(task.kind));
  }

  /** @param {AssignedQueue} queue */
  #drawEnd(queue) {
    const done = queue.given >= queue.total;
    this.#body.replaceChildren(h("div", { class: "wc-review-head" }, h("strong", { dir: "auto" }, queue.name), progress(queue)), h("p", { class: "wc-review-empty" }, t(done ? "review.done" : "review.nothing")));
    this.#foot.replaceChildren(this.#told, h("div", { class: "wc-review-choices" }, h("button", { type: "button", class: "wc-button", onclick: () => this.#queues() }, t("review.queues"))));
  }

  // --- the verdict --------------------------------------------------------------------------------------------------

  /** @param {Verdict} verdict */
  #choose(verdict) {
    if (verdict === "edit") this.#edit();
    else void this.#give(verdict);
  }

  #edit() {
    const task = this.#task;
    if (!task) return;
    const better = (this.#better = field("review.better"));
    better.value = task.replies[0] ?? "";
    better.classList.add("wc-review-better");
    this.#say("");
    const cancel = () => {
      this.#better = null;
      if (this.#queue) this.#draw(this.#queue, task);
      this.#surface.focus({ preventScroll: true });
    };
    better.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) void this.#give("edit");
      else if (event.key === "Escape" && !event.isComposing) event.preventDefault(), event.stopPropagation(), this.#unsaved() ? null : cancel();
    });
    this.#body.querySelector(".wc-review-reply")?.replaceChildren(h("span", { class: "wc-review-role" }, t("review.better")), better);
    const save = h("button", { type: "button", class: "wc-button wc-primary", onclick: () => this.#give("edit") }, t("review.save"));
    this.#foot.replaceChildren(h("div", { class: "wc-review-choices" }, save, h("button", { type: "button", class: "wc-button", onclick: cancel }, t("app.cancel"))), this.#comment, this.#told, keys("edit"));
    better.focus();
  }

  /** @param {Verdict} verdict */
  async #give(verdict) {
    const [task, queue] = [this.#task, this.#queue];
    if (!task || !queue) return;
    const better = verdict === "edit" ? (this.#better?.value ?? "") : "";
    if (verdict === "edit" && (!better.trim() || better === task.replies[0])) return this.#say(t("review.unchanged"));
    const given = await this.#ask(() => api.put(`api/reviews/${task.id}`, { verdict, better, comment: this.#comment.value }));
    if (!given) return;
    const mine = t(`review.gave.${verdict}`);
    this.#say(given.others.length ? t("review.saved_others", { mine, others: listed(given.others.map((one) => t(`review.gave.${one}`))) }) : t("review.saved", { mine }));
    this.#mark(task.id);
    await this.#next(queue.id);
  }

  /** @param {string | null} id of an item that can be judged again */
  #mark(id) {
    this.#last = id;
    this.#undo.hidden = !id;
  }

  async #takeBack() {
    const [id, queue] = [this.#last, this.#queue];
    if (!id || !queue) return;
    const done = await this.#ask(async () => (await api.delete(`api/reviews/${id}`), true));
    if (!done) return;
    this.#mark(null);
    this.#say(t("review.undone"));
    await this.#next(queue.id);
  }

  // One request at a time; what went wrong is said, and everything stays as it is.
  /** @template T @param {() => Promise<T>} work @returns {Promise<T | null>} */
  async #ask(work) {
    if (this.#busy) return null;
    this.#busy = true;
    this.#surface.setAttribute("aria-busy", "true");
    try {
      return await work();
    } catch (error) {
      if (!error.code) throw error;
      this.#say(errorLine(error), true);
      const gone = error.code === "review_taken" || error.code === "not_found";
      if (gone && this.#queue && this.#task && !this.#better) {
        this.#task = null;
        queueMicrotask(() => this.#queue && this.#next(this.#queue.id));
      } else if (!this.#task) this.#body.replaceChildren(h("p", { class: "wc-review-empty", role: "alert" }, errorLine(error)), h("button", { type: "button", class: "wc-button", onclick: () => this.#queues() }, t("app.retry")));
      return null;
    } finally {
      this.#busy = false;
      this.#surface.removeAttribute("aria-busy");
    }
  }

  /** @param {string} words @param {boolean} [wrong] */
  #say(words, wrong = false) {
    this.#note.textContent = words;
    this.#note.classList.toggle("wc-danger", wrong);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (this.#better || event.target instanceof HTMLTextAreaElement) return;
    if (this.#last && undoes(event)) {
      event.preventDefault();
      void this.#takeBack();
      return;
    }
    if (!this.#task) return;
    const verdict = verdictOf(this.#task.kind, event);
    if (!verdict) return;
    event.preventDefault();
    this.#choose(verdict);
  }
}

/** @param {string} key of its label */
const field = (key) => h("textarea", { class: "wc-compare-comment", rows: "1", maxlength: key === "review.better" ? "100000" : "4000", dir: "auto", "aria-label": t(key), placeholder: t(key) });

/** @param {string} when */
const keys = (when) => h("p", { class: "wc-review-keys" }, h("span", {}, t(`review.keys.${when}`), " "), t("review.trains"));

/** @param {string} text */
function drawn(text) {
  const box = h("div", { class: "wc-md", onclick: onCode });
  markdownView(box, { t }).set(text);
  return box;
}

// The buttons above a piece of code.
/** @param {MouseEvent} event */
async function onCode({ target, currentTarget }) {
  const button = target instanceof Element ? target.closest("[data-act]") : null;
  if (!(button instanceof HTMLElement)) return;
  if (button.dataset.act === "wrap") /** @type {HTMLElement} */ (currentTarget).classList.toggle("wc-wrap");
  else if (button.dataset.act === "copy-code" && (await copyText(button.closest(".wc-code")?.querySelector("code")?.textContent.replace(/\n$/, "") ?? ""))) showCopied(button, t("transcript.copied"));
}

/** @param {AssignedQueue} queue */
function progress({ mine, given, total }) {
  return h("span", { class: "wc-review-progress" }, h("progress", { max: String(Math.max(total, 1)), value: String(given), "aria-label": t("review.progress", { given, total }) }), h("span", {}, t("review.progress", { given, total }), " · ", t("review.mine", { mine })));
}
