// The whole branch that is shown, or some of its messages.

import { api } from "../api.js";
import { h } from "../dom.js";
import { errorLine, t } from "../i18n.js";

/** @import { ShownMessage, Thread } from "../types.js" */

const PAGE = 200;
const EXCERPT = 120; // characters

export class Choice {
  #id;
  #some = false;
  #loading = false;
  #list = h("div", { class: "wc-shares-messages", role: "group", "aria-label": t("shares.messages"), hidden: true });
  element;

  /** @param {string} id of the chat */
  constructor(id) {
    this.#id = id;
    /** @param {boolean} some */
    const option = (some) => {
      const input = h("input", { type: "radio", name: "messages", checked: !some, onchange: () => this.#choose(some) });
      return h("label", { class: "wc-shares-box" }, input, h("span", {}, t(some ? "shares.some" : "shares.whole")));
    };
    this.element = h("fieldset", {}, h("legend", {}, t("shares.messages")), option(false), option(true), this.#list);
  }

  /** Ids of the chosen messages; null: all. */
  get chosen() {
    if (!this.#some) return null;
    const boxes = /** @type {NodeListOf<HTMLInputElement>} */ (this.#list.querySelectorAll("input:checked"));
    return [...boxes].map((box) => box.value);
  }

  /** @param {boolean} some */
  #choose(some) {
    this.#some = some;
    this.#list.hidden = !some;
    if (some && !this.#list.childElementCount) this.#load(null);
  }

  // The newest messages, then older ones above them.
  /** @param {string | null} before */
  async #load(before) {
    if (this.#loading) return;
    this.#loading = true;
    const note = h("p", { class: "wc-muted", role: "status" }, t("sidebar.loading"));
    this.#list.prepend(note);
    try {
      /** @type {Thread} */
      const { messages, older } = await api.get(`api/conversations/${this.#id}`, { before, limit: PAGE });
      const rows = messages.filter((one) => one.text || one.tool_calls?.length).map(row);
      const more = older && h("button", { type: "button", class: "wc-button", onclick: () => (more && more.remove(), this.#load(older)) }, t("shares.older"));
      note.replaceWith(...(more ? [more] : []), ...rows);
    } catch (error) {
      note.textContent = errorLine(error);
    } finally {
      this.#loading = false;
    }
  }
}

/** @param {ShownMessage} message */
function row({ id, role, text, tool_calls: calls = [] }) {
  const input = h("input", { type: "checkbox", value: id, checked: true });
  const words = (text || calls.map(({ name }) => t("transcript.tool_call", { name })).join(", ")).replace(/\s+/g, " ").slice(0, EXCERPT);
  return h("label", { class: "wc-shares-box" }, input, h("span", { class: "wc-shares-excerpt", dir: "auto" }, h("b", {}, t(role === "user" ? "share.person" : role === "tool" ? "transcript.tool" : "share.model")), " ", words));
}
