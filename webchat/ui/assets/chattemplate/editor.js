// The chat template of a model in this process: what is in force, what it makes of a conversation, and what it was.

import { api } from "../api.js";
import { h } from "../dom.js";
import { drafts } from "../drafts.js";
import { errorLine, t } from "../i18n.js";
import { openSheet } from "../sheet.js";
import { style } from "../style.js";
import { tabbed } from "../tabs.js";
import { ask } from "../ask.js";
import { toast } from "../toast.js";
import { visible } from "../inspect/text.js";
import { codeBox } from "./code.js";
import { sampleBox } from "./sample.js";
import { sourceLine, versionsView } from "./versions.js";

/** @import { ChatTemplate, ChatTemplatePreview, ChatTemplateProblem, Failure } from "../types.js" */

const PAUSE = 350; // ms without a key before the preview is asked for

/** Open the editor for the model of this name. */
/** @param {string} model */
export async function openChatTemplate(model) {
  await Promise.all([style("inspect"), style("templates"), style("library"), style("chattemplate")]);
  await new Editor(model).open();
}

class Editor {
  #path;
  /** @type {ChatTemplate | null} */
  #kept = null; // the answer of the server: text, source, number, versions
  #timer = 0;
  #asked = 0; // counts previews; an answer to an earlier one is dropped
  #saving = false;
  /** @type {Awaited<ReturnType<typeof tabbed>> | null} */
  tabs = null;
  /** @type {ReturnType<typeof openSheet> | null} */
  sheet = null;

  /** @param {string} model */
  constructor(model) {
    this.model = model;
    this.#path = `api/chat-templates/${model.split("/").map(encodeURIComponent).join("/")}`;
    this.code = codeBox(t("chattemplate.text"), () => this.#changed());
    this.sample = sampleBox(() => this.#later());
    this.rendered = h("pre", { class: "wc-chat-rendered", tabindex: "0", "aria-label": t("chattemplate.preview") });
    this.moved = h("p", { class: "wc-chat-moved" });
    this.count = h("span", { class: "wc-chat-count" });
    this.problem = h("p", { class: "wc-chat-problem", role: "alert", id: "wc-chat-problem" });
    this.source = h("p", { class: "wc-chat-source" });
    this.note = h("input", { class: "wc-input wc-chat-note", type: "text", maxlength: "200", autocomplete: "off", placeholder: t("chattemplate.note"), "aria-label": t("chattemplate.note") });
    this.note.addEventListener("keydown", (event) => event.key === "Enter" && !event.isComposing && !this.save.disabled && this.#save());
    this.note.addEventListener("input", () => this.#keepDraft());
    this.alert = h("p", { class: "wc-chat-alert", role: "alert" });
    this.save = h("button", { type: "button", class: "wc-button wc-primary", onclick: () => this.#save() }, t("app.save"));
    this.own = h("button", { type: "button", class: "wc-button", onclick: () => this.#backToOwn() }, t("chattemplate.own"));
    this.body = h("div", { class: "wc-chat-body" });
    this.code.area.setAttribute("aria-describedby", "wc-chat-problem");
  }

  async open() {
    this.sheet = openSheet("chat-template", {
      title: t("chattemplate.title", { model: this.model }),
      body: this.body,
      mayClose: () => this.#mayClose(),
      onClose: () => clearTimeout(this.#timer),
    });
    this.body.append(h("p", { class: "wc-inspect-note" }, t("inspect.loading")));
    /** @type {ChatTemplate} */
    let kept;
    try {
      this.#keep((kept = await api.get(this.#path)));
      await drafts.adopt([this.#place]);
    } catch (error) {
      if (!error.code) throw error;
      this.body.replaceChildren(h("p", { class: "wc-inspect-note", role: "alert" }, errorLine(error)));
      return;
    }
    const before = drafts.get(this.#place);
    this.code.value = before?.text ?? kept.text ?? "";
    this.note.value = before?.note ?? "";
    const tabs = await tabbed("chat", t("chattemplate.title", { model: this.model }), [
      { name: "edit", label: t("chattemplate.tab.edit"), build: () => this.#editView() },
      { name: "versions", label: t("chattemplate.tab.versions"), build: () => versionsView(this.#kept ?? kept, () => this.code.value, (text) => this.#goBack(text)) },
    ]);
    this.tabs = tabs;
    this.body.replaceChildren(...tabs.elements, h("div", { class: "wc-sheet-foot wc-chat-foot" }, this.alert, this.note, this.own, this.save));
    this.#changed();
    this.code.area.focus();
    this.code.area.setSelectionRange(0, 0);
  }

  get #place() {
    return `chat-template:${this.model}`;
  }

  // What is written is kept until it is saved or discarded.
  #keepDraft() {
    drafts.put(this.#place, this.dirty ? { text: this.code.value, note: this.note.value } : null);
  }

  get dirty() {
    return this.#kept !== null && this.code.value !== (this.#kept.text ?? "");
  }

  /** @param {ChatTemplate} answer */
  #keep(answer) {
    this.#kept = answer;
    this.source.replaceChildren(...sourceLine(answer));
    this.own.hidden = answer.source !== "override";
  }

  #editView() {
    const left = h("section", { class: "wc-chat-left" }, this.source, this.code.element, this.problem);
    const right = h(
      "section",
      { class: "wc-chat-right" },
      h("h3", {}, t("chattemplate.sample")),
      this.sample.element,
      h("h3", {}, t("chattemplate.preview"), this.count),
      this.moved,
      this.rendered,
    );
    return h("div", { class: "wc-chat-edit" }, left, right);
  }

  #changed() {
    this.save.disabled = !this.dirty || this.#saving || !this.code.value;
    this.#keepDraft();
    this.tabs?.rebuild("versions");
    this.#later();
  }

  #later() {
    this.rendered.setAttribute("aria-busy", "true");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#preview(), PAUSE);
  }

  async #preview() {
    const asked = (this.#asked += 1);
    if (!this.code.value || !this.sample.messages.length) return this.#show({ text: "" });
    try {
      const made = await api.post(`${this.#path}/preview`, { text: this.code.value, messages: this.sample.messages });
      if (asked !== this.#asked) return;
      this.#show(made);
    } catch (error) {
      if (!error.code) throw error;
      if (asked === this.#asked) this.#show({ problem: problemOf(error) });
    }
  }

  // What the template made stays while it is broken: one sees what one had.
  /** @param {Partial<ChatTemplatePreview>} made */
  #show({ text, tokens, problem, system_as: moved }) {
    this.rendered.setAttribute("aria-busy", "false");
    this.code.bad = problem?.line ?? null;
    this.problem.textContent = problem ? (problem.line ? t("chattemplate.problem_in", { line: problem.line, problem: problem.message }) : problem.message) : "";
    this.rendered.classList.toggle("wc-stale", Boolean(problem));
    if (problem) return;
    this.rendered.replaceChildren(...visible(text ?? "", { every: true }));
    this.moved.textContent = moved ? t("chattemplate.system_moved") : "";
    this.count.textContent = typeof tokens === "number" ? t("inspect.tokens", { count: tokens }) : "";
  }

  #save() {
    return this.#put(this.code.value, t("chattemplate.saved"));
  }

  async #backToOwn() {
    if (this.dirty && !(await this.#mayLose())) return;
    const before = this.code.value;
    if ((await this.#put(null, t("chattemplate.own_done"))) && this.code.value === before) {
      this.code.value = this.#kept?.text ?? "";
      this.#changed();
    }
  }

  // text: null for the model's own. Resolves to whether it is kept.
  /** @param {string | null} text @param {string} done */
  async #put(text, done) {
    if (this.#saving) return false;
    this.#saving = true;
    this.save.disabled = true;
    this.save.textContent = t("chattemplate.saving"); // it is tried first, which takes a moment
    this.alert.textContent = "";
    try {
      await api.put(this.#path, { text, note: this.note.value.trim(), based_on: this.#kept?.versions[0]?.number ?? null });
      this.#keep(await api.get(this.#path));
      this.note.value = "";
      toast(done);
      return true;
    } catch (error) {
      if (!error.code) throw error;
      await this.#refused(error);
      return false;
    } finally {
      this.#saving = false;
      this.save.textContent = t("app.save");
      this.#changed();
    }
  }

  // What was written stays in the box, whatever the server says.
  /** @param {Failure} error */
  async #refused(error) {
    if (error.status === 409) {
      this.#keep(await api.get(this.#path).catch(() => this.#kept));
      this.tabs?.rebuild("versions");
      this.tabs?.choose("versions");
    } else if (error.status === 422) {
      this.tabs?.choose("edit");
      this.#show({ problem: problemOf(error) });
      return;
    }
    this.alert.textContent = errorLine(error);
  }

  /** @param {string} text */
  #goBack(text) {
    this.code.value = text;
    this.tabs?.choose("edit");
    this.#changed();
    this.code.area.focus();
  }

  #mayLose() {
    return ask({ title: t("chattemplate.unsaved"), words: t("chattemplate.unsaved_hint"), yes: t("chattemplate.discard"), no: t("templates.keep_editing") });
  }

  #mayClose() {
    if (!this.dirty) return true;
    this.#mayLose().then((lose) => {
      if (!lose) return;
      this.#kept = null;
      this.#keepDraft();
      this.sheet?.close();
    });
    return false;
  }
}

// From an answer of the server that is no preview.
/** @param {Failure} error @returns {ChatTemplateProblem} */
function problemOf(error) {
  const { said, line = null } = error.params ?? {};
  return { message: said ? `${said}.` : errorLine(error), line };
}
