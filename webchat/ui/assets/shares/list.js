// The links there are, of one chat or of all: how often each was opened, until when it works, and ending it.

import { api, url } from "../api.js";
import { copyText, showCopied } from "../copying.js";
import { h } from "../dom.js";
import { errorLine, language, t } from "../i18n.js";
import { toast } from "../toast.js";

/** @import { SharedChat } from "../types.js" */

const PAGE = 20;

/** @param {SharedChat} share */
export const address = ({ path }) => url(path);

export class ShareList {
  #chat;
  #rows = h("ul", { class: "wc-shares-rows" });
  #foot = h("div", {});
  #none = h("p", { class: "wc-muted" }, t("shares.none"));
  element;

  /** @param {string | null} chat its links alone; null: those of all chats */
  constructor(chat) {
    this.#chat = chat;
    const heading = chat ? [h("h3", {}, t("shares.links"))] : [];
    this.element = h("section", { class: "wc-shares-links" }, heading, this.#none, this.#rows, this.#foot);
    this.#none.hidden = true;
  }

  /** @param {string | null} [cursor] */
  async load(cursor = null) {
    this.#foot.replaceChildren(h("p", { class: "wc-muted", role: "status" }, t("sidebar.loading")));
    try {
      const { items, next } = await api.get("api/shares", { conversation: this.#chat, cursor, limit: PAGE });
      for (const share of items) if (!this.#find(share.id)) this.#rows.append(this.#row(share));
      const more = next && h("button", { type: "button", class: "wc-button", onclick: () => this.load(next) }, t("shares.more"));
      this.#foot.replaceChildren(...(more ? [more] : []));
      this.#told();
    } catch (error) {
      this.#foot.replaceChildren(h("p", { role: "alert" }, errorLine(error)), h("button", { type: "button", class: "wc-button", onclick: () => this.load(cursor) }, t("app.retry")));
    }
  }

  /** @param {SharedChat} share */
  add(share) {
    this.#rows.prepend(this.#row(share));
    this.#told();
  }

  /** @param {string} id */
  #find(id) {
    return [...this.#rows.children].find((row) => row instanceof HTMLElement && row.dataset.id === id);
  }

  #told() {
    this.#none.hidden = this.#rows.childElementCount > 0;
  }

  /** @param {SharedChat} share */
  #row(share) {
    const title = share.title || t("share.untitled");
    const copy = h("button", { type: "button", class: "wc-button", "aria-label": t("shares.copy_link_of", { title }), onclick: async () => (await copyText(address(share))) && showCopied(copy, t("transcript.copied")) }, t("shares.copy_link"));
    const rename = h("button", { type: "button", class: "wc-button", "aria-label": t("shares.rename_of", { title }), onclick: () => this.#rename(share, row) }, t("shares.rename"));
    const end = h("button", { type: "button", class: "wc-button wc-danger", "aria-label": t("shares.end_of", { title }), onclick: () => this.#end(share, row, end) }, t("shares.end"));
    const row = h(
      "li",
      { class: "wc-shares-row", "data-id": share.id },
      h("div", { class: "wc-shares-words" }, h("a", { class: "wc-link", href: address(share), target: "_blank", rel: "noopener", dir: "auto" }, title), h("div", { class: "wc-shares-hint" }, about(share))),
      h("div", { class: "wc-shares-actions" }, copy, rename, end),
    );
    return row;
  }

  // A box in place of the title: Enter or leaving it saves, Escape does not.
  /** @param {SharedChat} share @param {HTMLElement} row */
  #rename(share, row) {
    const link = /** @type {HTMLElement} */ (row.querySelector("a"));
    if (link.hidden) return;
    const box = h("input", { class: "wc-input", maxlength: "200", dir: "auto", value: share.title, "aria-label": t("shares.title_of") });
    link.hidden = true;
    link.after(box);
    let done = false;
    /** @param {boolean} save */
    const finish = async (save) => {
      if (done) return;
      done = true;
      const title = box.value.trim();
      let shown = row;
      try {
        if (save && title !== share.title) row.replaceWith((shown = this.#row(await api.patch(`api/shares/${share.id}`, { title }))));
      } catch (error) {
        toast(errorLine(error), { kind: "error" });
      }
      const focused = document.activeElement;
      link.hidden = false;
      box.remove();
      if (focused === box || focused === document.body) shown.querySelector("a")?.focus();
    };
    box.addEventListener("keydown", (event) => {
      if (event.isComposing || event.keyCode === 229) return;
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault(); // Escape would close the sheet
      event.stopPropagation();
      finish(event.key === "Enter");
    });
    box.addEventListener("blur", () => finish(true));
    box.focus();
    box.select();
  }

  /** @param {SharedChat} share @param {HTMLElement} row @param {HTMLButtonElement} button */
  async #end({ id }, row, button) {
    button.disabled = true;
    try {
      await api.delete(`api/shares/${id}`);
    } catch (error) {
      if (error.status !== 404) {
        button.disabled = false;
        return toast(errorLine(error), { kind: "error" });
      }
    }
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    this.#told();
    next?.querySelector("button")?.focus({ preventScroll: true });
    toast(t("shares.ended"));
  }
}

// "3 messages · opened 12 times · until 3 May · password"
/** @param {SharedChat} share */
function about({ messages, views, expires_at: expires, over, password, masked }) {
  const date = (/** @type {string} */ at) => new Date(at).toLocaleDateString(language, { dateStyle: "medium" });
  const until = over ? t("shares.over") : expires ? t("shares.until", { date: date(expires) }) : t("shares.forever");
  const facts = [
    t("shares.messages_count", { count: messages }),
    t(views === 1 ? "shares.views_one" : "shares.views", { count: views }),
    until,
    password && t("shares.has_password"),
    masked && t("shares.is_masked"),
  ];
  return facts.filter(Boolean).join(" · ");
}
