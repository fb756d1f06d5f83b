// Two replies to one message, side by side: both are followed here, then voted on, then shown with their models' names. It
// stands in the transcript in place of the reply that the conversation shows, and has what the transcript asks of one.

import { h } from "../dom.js";
import { errorLine } from "../i18n.js";
import { isRunning, MessageView } from "../message.js";
import { icon } from "../conversation/icons.js";
import { differing } from "./differing.js";
import { choiceOf, KEYS, marked, sideAt, voteOf } from "./vote.js";

/** @import { api } from "../api.js" */
/** @import { Line } from "../follow.js" */
/** @import { toast } from "../toast.js" */
/** @import { Comparison, Message, ShownMessage, Thread, Translate } from "../types.js" */
/** @import { Choice, Marks, SideName } from "./vote.js" */
/** @typedef {{ api: typeof api, toast: typeof toast, t: Translate, line: Line, say(text: string): void, changed(view: ComparisonView): void, refresh(): unknown, show(thread: Thread): void }} Host */

const SIDES = /** @type {const} */ (["left", "right"]);
const LETTERS = { left: "A", right: "B" };
const PROMPT_CHARS = 40;
const AGAIN = 3000; // ms until it is asked for again

export class ComparisonView {
  /** @type {Comparison | null} */
  comparison = null;
  /** @type {Partial<Record<SideName, MessageView>>} */
  #views = {};
  /** @type {Map<string, () => void>} */
  #following = new Map();
  /** @type {Marks} */
  #marks = { left: null, right: null };
  #voting = false;
  #gone = false;
  #timer = 0;

  /** record: of the side that the conversation shows. */
  /** @param {ShownMessage} record @param {Host} host */
  constructor(record, host) {
    this.record = record;
    this.host = host;
    this.id = record.compared ?? "";
    const { t } = host;
    this.boxes = { left: h("div", { class: "wc-compare-side", role: "group", "aria-label": t("compare.side", { side: "A" }) }), right: h("div", { class: "wc-compare-side", role: "group", "aria-label": t("compare.side", { side: "B" }) }) };
    this.row = h("div", { class: "wc-compare-sides", onscroll: () => this.#drawTabs() }, this.boxes.left, this.boxes.right);
    this.tabs = h("div", { class: "wc-compare-tabs", role: "group", "aria-label": t("compare.sides") }, SIDES.map((side) => this.#tab(side)));
    this.foot = h("div", { class: "wc-compare-foot" });
    this.comment = h("textarea", { class: "wc-compare-comment", rows: "1", maxlength: "4000", dir: "auto", "aria-label": t("compare.comment"), placeholder: t("compare.comment") });
    this.element = h("article", { class: "wc-compare", "data-id": record.id, "aria-label": t("compare.label"), tabindex: "-1", onkeydown: (/** @type {KeyboardEvent} */ event) => this.#onKey(event) }, this.tabs, this.row, this.foot);
    this.body = this.row;
    this.#load();
  }

  // --- what the transcript asks of a message --------------------------------------------------------------------

  get running() {
    return isRunning(this.record);
  }

  /** Whether the conversation waits for the vote. */
  get open() {
    return this.record.compared !== null;
  }

  get plainText() {
    return "";
  }

  /** Whether a record of the conversation is drawn as this. After the vote it stays until the conversation goes on. */
  /** @param {ShownMessage} record @param {boolean} last */
  takes({ compared }, last) {
    return compared ? compared === this.id : last;
  }

  /** @param {string} id */
  has(id) {
    return SIDES.some((side) => this.comparison?.[side].message.id === id);
  }

  /** @param {ShownMessage} record */
  update(record) {
    const closed = this.open && record.compared === null;
    this.record = { ...record, state: this.comparison && this.running && isRunning(record) ? this.record.state : record.state };
    this.element.dataset.id = record.id;
    if (closed && this.comparison?.state === "open" && !this.#voting) this.#load(); // in another tab
    else this.#drawFoot();
  }

  replaceBody() {}

  openReasoning() {
    return null;
  }

  destroy() {
    this.#gone = true;
    clearTimeout(this.#timer);
    for (const stop of this.#following.values()) stop();
    for (const side of SIDES) this.#views[side]?.destroy();
    this.element.remove();
  }

  // --- both sides -----------------------------------------------------------------------------------------------

  async #load() {
    try {
      const found = await this.host.api.get(`api/comparisons/${this.id}`);
      if (!this.#gone) this.#show(found);
    } catch (error) {
      if (this.#gone) return;
      if (error.status === 404) this.host.refresh(); // one side was deleted
      this.#timer = setTimeout(() => this.#load(), AGAIN);
    }
  }

  /** @param {Comparison} comparison */
  #show(comparison) {
    this.comparison = comparison;
    for (const side of SIDES) this.#showSide(side, comparison[side].message);
    this.#drawFoot();
    this.#drawTabs();
    if (this.running) this.#whenBothEnded(); // before they were followed
  }

  /** @param {SideName} side @param {Message} message */
  #showSide(side, message) {
    const record = this.#labelled(side, message);
    const known = this.#views[side];
    if (!known) {
      const view = (this.#views[side] = new MessageView(record, this.host.t));
      this.boxes[side].replaceChildren(view.element);
    } else if (!isRunning(record)) known.update(record);
    if (isRunning(record) && !this.#following.has(message.id)) this.#follow(side, message.id);
  }

  /** A side with its letter in place of a name, until that is known. What one does with messages waits, too. */
  /** @param {SideName} side @param {Message} message @returns {ShownMessage} */
  #labelled(side, message) {
    const letter = LETTERS[side];
    const name = this.comparison?.state === "open" ? "" : message.model;
    const words = name ? [letter, name, ...this.#settings(side)] : [letter];
    return { ...message, model: words.join(" · "), compared: this.id, siblings: [] };
  }

  /** What this side was made with and the other was not. */
  /** @param {SideName} side */
  #settings(side) {
    const { t } = this.host;
    const [mine, other] = [this.comparison?.[side].settings, this.comparison?.[side === "left" ? "right" : "left"].settings];
    if (!mine || !other) return [];
    return differing(mine, other).map(([name, value]) => {
      if (name === "persona") return String(value);
      if (name === "system_prompt") return value ? t("compare.prompt", { prompt: String(value).slice(0, PROMPT_CHARS) }) : t("compare.no_prompt");
      return t("compare.setting", { name: name === "stop" ? t("drawer.stop") : t(`sampling.${name}`), value: value === null ? t("sampling.default") : [value].flat().join(" ") });
    });
  }

  /** @param {SideName} side @param {string} id */
  #follow(side, id) {
    const view = this.#views[side];
    if (!view) return;
    const stop = this.host.line.follow(id, {
      onDelta: (delta) => view.delta(delta),
      onStatus: (status) => view.status(status),
      onDone: (message) => this.#ended(side, message),
      onGone: () => this.host.refresh(),
    });
    this.#following.set(id, stop);
  }

  /** @param {SideName} side @param {Message} message */
  #ended(side, message) {
    this.#following.delete(message.id);
    if (!this.comparison) return;
    this.comparison = { ...this.comparison, [side]: { ...this.comparison[side], message } };
    this.#views[side]?.update(this.#labelled(side, message));
    this.#whenBothEnded();
  }

  #whenBothEnded() {
    const messages = SIDES.flatMap((side) => this.comparison?.[side].message ?? []);
    if (!messages[0] || messages.some(isRunning)) return;
    this.record = messages.find(({ id }) => id === this.record.id) ?? messages[0];
    this.host.say(this.host.t("compare.ready"));
    this.host.changed(this);
    this.#drawFoot();
    this.#takeFocus();
  }

  // The keys work at once, unless somebody writes.
  #takeFocus() {
    const at = document.activeElement;
    const idle = !at || at === document.body || (at instanceof HTMLTextAreaElement && !at.value && at !== this.comment);
    if (idle) this.element.focus({ preventScroll: true });
  }

  // --- tabs, where one side fills the screen -----------------------------------------------------------------------

  /** @param {SideName} side */
  #tab(side) {
    return h("button", { type: "button", "data-side": side, "aria-pressed": "false", onclick: () => this.boxes[side].scrollIntoView({ block: "nearest", inline: "start" }) }, LETTERS[side]);
  }

  #drawTabs() {
    const shown = sideAt(this.row);
    for (const tab of this.tabs.querySelectorAll("button")) tab.setAttribute("aria-pressed", String(tab.dataset.side === shown));
  }

  // --- the vote ---------------------------------------------------------------------------------------------------

  #drawFoot() {
    const { comparison } = this;
    if (!comparison) return;
    const { t } = this.host;
    const waiting = SIDES.some((side) => isRunning(comparison[side].message));
    const key = JSON.stringify([waiting, comparison.state, this.#marks, this.#voting, this.record.id]);
    if (this.foot.dataset.key === key) return;
    this.foot.dataset.key = key;
    const focused = document.activeElement instanceof HTMLElement && this.foot.contains(document.activeElement) ? document.activeElement.dataset.do : null;
    if (waiting) this.foot.replaceChildren(h("p", { class: "wc-muted" }, t("compare.wait")));
    else if (comparison.state === "open") this.foot.replaceChildren(...this.#ballot());
    else this.foot.replaceChildren(...this.#result(comparison));
    if (focused) this.foot.querySelector(`[data-do="${focused}"]`)?.focus({ preventScroll: true });
  }

  #ballot() {
    const { t } = this.host;
    /** @param {Choice} choice @param {string} kind */
    const button = (choice, kind = "") =>
      h("button", { type: "button", class: `wc-button ${kind}`, "data-do": choice, disabled: this.#voting, onclick: () => this.#vote(choice) }, t(`compare.${choice}`), h("kbd", { "aria-hidden": "true" }, KEYS[choice]));
    /** @param {SideName} side */
    const marks = (side) =>
      h("div", { class: "wc-compare-marks", role: "group", "aria-label": t("compare.side", { side: LETTERS[side] }) }, h("span", { "aria-hidden": "true" }, LETTERS[side]), this.#mark(side, true), this.#mark(side, false));
    return [
      h("p", { class: "wc-compare-question" }, t("compare.question")),
      h("div", { class: "wc-compare-choices" }, button("left", "wc-primary"), button("tie"), button("right", "wc-primary")),
      h("div", { class: "wc-compare-choices" }, button("good"), button("bad")),
      h("div", { class: "wc-compare-more" }, marks("left"), marks("right"), this.comment),
      h("div", { class: "wc-compare-skip" }, h("span", { class: "wc-muted" }, t("compare.skip")), SIDES.map((side) => this.#onward(side))),
    ];
  }

  /** @param {SideName} side @param {boolean} good */
  #mark(side, good) {
    const label = this.host.t(good ? "transcript.good" : "transcript.bad");
    const press = () => {
      this.#marks = marked(this.#marks, side, good);
      this.#drawFoot();
    };
    return h("button", { type: "button", class: "wc-action", "data-do": `${side}-${good}`, "aria-label": label, title: label, "aria-pressed": String(this.#marks[side] === good), onclick: press }, icon(good ? "up" : "down"));
  }

  /** @param {Comparison} comparison */
  #result({ preferred, state, ...sides }) {
    const { t } = this.host;
    const words = state === "skipped" ? t("compare.skipped") : preferred === "tie" ? t("compare.voted_tie") : t("compare.voted", { side: LETTERS[preferred ?? "left"] });
    const other = sides.left.message.id === this.record.id ? "right" : "left";
    const shown = LETTERS[other === "left" ? "right" : "left"];
    return [
      h("p", { class: "wc-compare-question", role: "status" }, words),
      h("div", { class: "wc-compare-skip" }, h("span", { class: "wc-muted" }, t("compare.goes_on", { side: shown })), this.#onward(other)),
    ];
  }

  /** @param {SideName} side */
  #onward(side) {
    return h("button", { type: "button", class: "wc-link-button", "data-do": `on-${side}`, disabled: this.#voting, onclick: () => this.#goOn(side) }, this.host.t("compare.go_on", { side: LETTERS[side] }));
  }

  /** @param {Choice} choice */
  async #vote(choice) {
    await this.#attempt(async () => {
      const voted = await this.host.api.post(`api/comparisons/${this.id}/vote`, voteOf(choice, this.#marks, this.comment.value));
      this.#show(voted);
      this.element.focus({ preventScroll: true });
      await this.host.refresh();
    });
  }

  /** @param {SideName} side */
  async #goOn(side) {
    await this.#attempt(async () => {
      const thread = await this.host.api.post(`api/comparisons/${this.id}/continue`, { side });
      this.#show(await this.host.api.get(`api/comparisons/${this.id}`));
      this.host.show(thread);
    });
  }

  /** @param {() => Promise<void>} work */
  async #attempt(work) {
    if (this.#voting) return;
    this.#voting = true;
    this.#drawFoot();
    try {
      await work();
    } catch (error) {
      if (!error.code) throw error;
      this.host.toast(errorLine(error), { kind: "error" });
    } finally {
      this.#voting = false;
      this.#drawFoot();
    }
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const choice = choiceOf(event);
    if (!choice || event.target === this.comment || this.comparison?.state !== "open" || this.running) return;
    event.preventDefault();
    void this.#vote(choice);
  }
}
