// One message on the page, drawn from its record. A part is built anew only when what it shows has changed, so the
// focus, a selection and an open menu survive the updates of a running reply.

import { url } from "./api.js";
import { h } from "./dom.js";
import { callsView, folded } from "./conversation/calls.js";
import { duration, roughly } from "./conversation/format.js";
import { icon } from "./conversation/icons.js";
import { note, unansweredNote } from "./conversation/note.js";
import { pendingNote } from "./conversation/pending.js";
import { slices } from "./conversation/slices.js";
import { waiting } from "./conversation/waiting.js";
import { markdownView } from "./markdown.js";

/** @import { Glyph } from "./conversation/icons.js" */
/** @import { Attributes } from "./dom.js" */
/** @import { Delta, ShownMessage, Status, TemplateUse, Translate } from "./types.js" */
/** @typedef {{ element: HTMLDetailsElement, label: HTMLElement, view: ReturnType<typeof markdownView>, since: number | null, took: number | null, timer: number }} Reasoning */
/** @typedef {{ key: unknown, element: HTMLElement }} Part */

/** @type {Set<string>} */
const RUNNING = new Set(["queued", "streaming"]);
const PIECES = /[^]{1,2000}/gu; // Chromium lays one long text out in time that grows with the square of its length
const TALL = { characters: 1200, lines: 16 };

/** @param {{ state: string }} record */
export const isRunning = (record) => RUNNING.has(record.state);

/** A button of a message; the transcript listens for `data-act`. */
/** @param {string} act @param {Glyph} glyph @param {string} label @param {Attributes} [attributes] */
function action(act, glyph, label, attributes = {}) {
  return h("button", { type: "button", class: "wc-action", "data-act": act, "aria-label": label, title: label, ...attributes }, icon(glyph));
}

/** @param {ShownMessage} record @param {Translate} t */
export function versions({ id, siblings }, t) {
  if (siblings.length < 2) return null;
  const index = siblings.indexOf(id) + 1;
  const count = siblings.length;
  return h(
    "div",
    { class: "wc-versions", role: "group", "aria-label": t("transcript.version_label", { index, count }) },
    action("older-version", "left", t("transcript.older_version"), { disabled: index <= 1 }),
    h("span", { class: "wc-version", "aria-hidden": "true" }, t("transcript.version", { index, count })),
    action("newer-version", "right", t("transcript.newer_version"), { disabled: index >= count }),
  );
}

/** @param {ShownMessage} record @param {Translate} t */
function userActions(record, t) {
  return h(
    "div",
    { class: "wc-actions" },
    versions(record, t),
    action("copy", "copy", t("transcript.copy")),
    action("edit", "edit", t("transcript.edit_message")),
    action("more", "more", t("transcript.more"), { "aria-haspopup": "menu", "aria-expanded": "false" }),
  );
}

/** While it is written, a reply can be judged; the rest is for the whole of it. Results of tools are nobody's replies. */
/** @param {ShownMessage} record @param {Translate} t */
function replyActions(record, t) {
  const written = Boolean(record.text);
  const rated = written || Boolean(record.tool_calls?.length);
  if (record.role === "tool") return written && h("div", { class: "wc-actions" }, action("copy", "copy", t("transcript.copy")));
  if (isRunning(record)) return written && h("div", { class: "wc-actions" }, thumbs(record, t));
  return h(
    "div",
    { class: "wc-actions" },
    versions(record, t),
    written && action("copy", "copy", t("transcript.copy")),
    rated && thumbs(record, t),
    action("regenerate", "retry", t("transcript.regenerate"), { "aria-haspopup": "menu", "aria-expanded": "false" }),
    written && action("edit", "edit", t("transcript.edit_reply")),
    action("info", "info", t("transcript.info"), { "aria-haspopup": "dialog" }),
    action("more", "more", t("transcript.more"), { "aria-haspopup": "menu", "aria-expanded": "false" }),
  );
}

/** @param {ShownMessage} record @param {Translate} t */
function thumbs({ rating }, t) {
  /** @param {number} value */
  const pressed = (value) => ({ "aria-pressed": String(rating === value) });
  return [action("rate-up", "up", t("transcript.good"), pressed(1)), action("rate-down", "down", t("transcript.bad"), pressed(-1))];
}

/** Above the user's words: the template they were made with. */
/** @param {TemplateUse} template @param {Translate} t */
function madeFrom({ name, version }, t) {
  const about = t("templates.made_from", { name, version });
  return h("div", { class: "wc-made-from wc-one-line", title: about }, h("span", { class: "wc-visually-hidden" }, about), h("span", { "aria-hidden": "true" }, name));
}

// A quiet sign that personal data was kept from the model.
/** @param {number} count @param {Translate} t */
function maskedMark(count, t) {
  const words = t("masking.some", { count });
  return h("span", { class: "wc-masked", role: "img", "aria-label": words, title: words }, icon("shield"));
}

export class MessageView {
  /** @type {Translate} */
  #t;
  /** @type {Record<string, Part>} */
  #parts = {};
  #body;
  /** @type {ReturnType<typeof markdownView> | null} the Markdown of a reply */
  #text = null;
  /** @type {Reasoning | null} */
  #reasoning = null;
  /** @type {Status & { at: number } | null} the last one told, and when it came */
  #status = null;
  /** @type {number | null} when the reply was seen to end; null when it had ended before */
  #seen = null;
  /** @type {import("./conversation/waiting.js").Voice} */
  #voice;

  /** say: tells a screen reader. */
  /** @param {ShownMessage} record @param {Translate} t @param {(words: string) => void} [say] */
  constructor(record, t, say = () => {}) {
    this.#t = t;
    this.#voice = { say, cause: "", at: 0 };
    /** @type {ShownMessage} */
    this.record = record;
    const user = record.role === "user";
    this.element = h("article", { class: user ? "wc-msg wc-user" : "wc-msg wc-reply" });
    if (user) this.#body = h("div", { class: "wc-bubble", dir: "auto" });
    else this.#body = h("div", { class: "wc-md wc-body" });
    this.#text = user ? null : markdownView(this.#body, { t, media: this.#mediaAddress });
    this.#slot("head");
    if (!user) this.#slot("reasoning");
    this.element.append(this.#body);
    for (const name of ["calls", "waiting", "note", "actions", "below"]) this.#slot(name);
    this.update(record);
  }

  get running() {
    return isRunning(this.record);
  }

  /** Show another state of the message. Text that this view has further than the record stays. */
  /** @param {ShownMessage} record */
  update(record) {
    const ahead = this.running && isRunning(record) && this.record.id === record.id && this.record.seq > record.seq;
    const { text, reasoning, seq } = this.record;
    if (this.running && !isRunning(record)) this.#seen = performance.now();
    this.record = ahead ? { ...record, text, reasoning, seq } : record;
    if (!isRunning(record)) this.#status = null;
    this.#draw();
  }

  /** @param {Delta} delta */
  delta({ seq, kind, text }) {
    if (kind === "tool") {
      this.record = { ...this.record, seq };
      return;
    }
    if (kind === "moved") {
      this.#move(seq);
      return;
    }
    this.record = { ...this.record, seq, state: "streaming", [kind]: this.record[kind] + text };
    if (kind === "reasoning") this.#drawReasoning();
    else if (this.#text && (this.#text.text || !this.record.text.trim())) this.#text.append(text);
    else this.#draw();
    if (kind === "reasoning" && !this.record.text) this.#part("waiting", "", () => null);
  }

  /** @param {string} name */
  #mediaAddress = (name) => url(`/api/messages/${this.record.id}/media/${name}`);

  get body() {
    return this.#body;
  }

  /** Show the reasoning, now; its element, null where there is none. */
  openReasoning() {
    if (!this.#reasoning) return null;
    const { element, view } = this.#reasoning;
    element.open = true;
    this.#drawReasoning();
    view.flush();
    const body = element.lastElementChild;
    if (body) slices.finishAt(body);
    return body;
  }

  // All text so far was reasoning: it goes where reasoning is shown.
  /** @param {number} seq */
  #move(seq) {
    const { text, reasoning } = this.record;
    const thought = [reasoning, text.trim()].filter(Boolean).join("\n\n");
    this.record = { ...this.record, seq, state: "streaming", text: "", reasoning: thought };
    this.#draw();
  }

  /** @param {Status} status */
  status(status) {
    this.#status = { ...status, at: performance.now() };
    this.record = { ...this.record, state: status.state };
    this.#draw();
  }

  /** Put an element in place of the text, or the text back with `null`. */
  /** @param {HTMLElement | null} element */
  replaceBody(element) {
    this.#part("editor", element ? Math.random() : "", () => element);
    this.#body.before(this.#parts.editor.element);
    this.element.classList.toggle("wc-editing", Boolean(element));
  }

  /** Put an element below the buttons, in place of the one there; `null` takes it away. */
  /** @param {HTMLElement | null} element */
  showBelow(element) {
    this.#part("below", element ?? "", () => element);
  }

  /** The words alone, for a screen reader. */
  get plainText() {
    return this.#body.textContent;
  }

  destroy() {
    this.#text?.destroy();
    this.#reasoning?.view.destroy();
    clearInterval(this.#reasoning?.timer);
    this.element.remove();
  }

  /** @param {string} name */
  #slot(name) {
    const element = h("div", { class: `wc-slot wc-slot-${name}`, hidden: true });
    this.#parts[name] = { key: "", element };
    this.element.append(element);
  }

  /** @param {string} name @param {unknown} key @param {() => Node | false | 0 | null | undefined | ""} build */
  #part(name, key, build) {
    if (!(name in this.#parts)) {
      this.#slot(name);
      this.#body.before(this.#parts[name].element);
    }
    const part = this.#parts[name];
    if (part.key === key) return;
    part.key = key;
    const content = build();
    const focused = document.activeElement instanceof HTMLElement && part.element.contains(document.activeElement) ? document.activeElement.dataset.act : null;
    part.element.replaceChildren(...(content ? [content] : []));
    part.element.hidden = !content;
    if (focused) part.element.querySelector(`[data-act="${focused}"]`)?.focus({ preventScroll: true });
  }

  #draw() {
    const { record } = this;
    const t = this.#t;
    const user = record.role === "user";
    Object.assign(this.element.dataset, { id: record.id, state: record.state });
    this.element.classList.toggle("wc-running", this.running);
    this.element.classList.toggle("wc-pending", Boolean(record.pending));
    const result = record.role === "tool";
    this.element.setAttribute("aria-label", user ? t("transcript.you_said") : result ? t("transcript.tool_result") : t("transcript.reply_by", { model: record.model ?? t("transcript.assistant") }));
    this.element.setAttribute("aria-busy", String(this.running));
    if (user) this.#drawUser();
    else this.#drawReply();
    const kept = !record.pending && !record.compared;
    const about = [record.id, record.siblings, record.rating, Boolean(record.text), record.tool_calls?.length, this.running];
    this.#part("actions", kept ? JSON.stringify(about) : "", () => kept && (user ? userActions : replyActions)(record, t));
  }

  #drawReply() {
    const { record } = this;
    const t = this.#t;
    const markdown = this.#text;
    if (!markdown) return;
    const edited = record.author_id && record.state === "complete";
    this.#part("head", JSON.stringify([record.model, edited, record.masked]), () =>
      h(
        "div",
        { class: "wc-model" },
        record.model ?? t(record.role === "tool" ? "transcript.tool" : "transcript.assistant"),
        edited ? h("span", { class: "wc-edited" }, t("transcript.edited")) : null,
        record.masked ? maskedMark(record.masked, t) : null,
      ),
    );
    this.#drawReasoning();
    const shown = markdown.text;
    const result = record.role === "tool";
    if (result) this.#part("calls", record.text, () => folded(t("transcript.tool_result"), record.text));
    else this.#part("calls", JSON.stringify(record.tool_calls), () => record.tool_calls?.length && callsView(record.tool_calls, t));
    if (result) markdown.set("");
    else if (!this.running) markdown.set(record.text);
    else if (record.text.startsWith(shown)) {
      markdown.append(record.text.slice(shown.length));
      if (!shown) markdown.flush();
    } else markdown.set(record.text);
    this.#body.hidden = !record.text || result;
    const waits = this.running && !record.text;
    this.#part("waiting", waits ? JSON.stringify([this.#status, record.state, Boolean(record.reasoning)]) : "", () => waits && waiting(record, this.#status, t, this.#voice));
    const ended = [record.state, record.finish_reason, record.failure, Boolean(record.text), record.pending?.why];
    this.#part("note", this.running ? "" : JSON.stringify(ended), () => (record.pending ? pendingNote(record.role, record.pending, t) : note(record, t, { seen: this.#seen, say: this.#voice.say })));
  }

  #drawUser() {
    const { template } = this.record;
    this.#part("head", template ? JSON.stringify(template) : "", () => template && madeFrom(template, this.#t));
    this.#drawBubble();
    const { pending, unanswered } = this.record;
    const under = pending ? JSON.stringify([pending.state, pending.why]) : unanswered ? "unanswered" : "";
    this.#part("note", under, () => (pending ? pendingNote("user", pending, this.#t) : unanswered && unansweredNote(this.#t)));
  }

  #drawBubble() {
    const { text } = this.record;
    if (this.#body.dataset.text === String(text.length) && this.#body.firstChild?.textContent === text) return;
    this.#body.dataset.text = String(text.length);
    const words = h("div", { class: "wc-words" }, text.match(PIECES) ?? []);
    const tall = text.length > TALL.characters || text.split("\n").length > TALL.lines;
    const more = tall && h("button", { type: "button", class: "wc-more", "data-act": "unfold", "aria-expanded": "false" }, this.#t("transcript.show_more"));
    this.#body.classList.toggle("wc-folded", tall);
    this.#body.replaceChildren(words, ...(more ? [more] : []));
  }

  #drawReasoning() {
    const { record } = this;
    if (!record.reasoning) return;
    const reasoning = (this.#reasoning ??= this.#makeReasoning());
    const { view, element } = reasoning;
    const thinking = this.running && !record.text;
    // Rendered only while it is open: most readers never look.
    if (element.open) {
      if (thinking && record.reasoning.startsWith(view.text)) view.append(record.reasoning.slice(view.text.length));
      else view.set(record.reasoning);
    }
    if (!thinking) clearInterval(reasoning.timer);
    element.classList.toggle("wc-thinking", thinking);
    this.#labelReasoning();
  }

  /** @returns {Reasoning} */
  #makeReasoning() {
    const label = h("span", { class: "wc-reasoning-label" });
    const body = h("div", { class: "wc-md wc-reasoning-body" });
    const element = h("details", { class: "wc-reasoning" }, h("summary", {}, label, icon("chevron")), body);
    element.addEventListener("toggle", () => this.#drawReasoning());
    this.#part("reasoning", "shown", () => element);
    const counting = this.running && !this.record.text;
    const fresh = counting && this.record.seq <= 1;
    const timer = fresh ? setInterval(() => this.#labelReasoning(), 1000) : 0;
    return { element, label, timer, since: fresh ? performance.now() : null, took: null, view: markdownView(body, { t: this.#t, media: this.#mediaAddress }) };
  }

  #labelReasoning() {
    const { record } = this;
    const made = this.#reasoning;
    const t = this.#t;
    if (!made) return;
    let text;
    if (this.running && !record.text) {
      const seconds = made.since === null ? 0 : (performance.now() - made.since) / 1000;
      text = seconds >= 1 ? t("transcript.thinking_for", { time: roughly(seconds, t) }) : t("transcript.thinking");
    } else {
      if (made.took === null && made.since !== null) made.took = (performance.now() - made.since) / 1000;
      const seconds = record.reasoning_seconds ?? made.took ?? 0;
      text = seconds >= 0.05 ? t("transcript.thought_for", { time: seconds < 1 ? duration(seconds, t) : roughly(seconds, t) }) : t("transcript.thought");
    }
    if (made.label.textContent !== text) made.label.textContent = text;
  }
}
