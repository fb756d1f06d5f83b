// Recently deleted: chats and messages that can be restored until they end for good.

import { api } from "./api.js";
import { ask } from "./ask.js";
import { bus } from "./bus.js";
import { h, icon, iconButton } from "./dom.js";
import { errorLine, language, t } from "./i18n.js";
import { openSheet } from "./sheet.js";
import { restore as restoreChat, tell } from "./sidebar/deeds.js";
import { style } from "./style.js";
import { ago, until } from "./times.js";
import { toast } from "./toast.js";

/** @import { TrashItem } from "./types.js" */
/** @typedef {{ open(id: string, messageId?: string | null): void, refresh(): unknown }} Actions */

const PAGE = 50;

let open = false;

// actions: {open(id, messageId), refresh(): the conversation on the page}
/** @param {Actions} actions */
export async function openTrash(actions) {
  if (open) return;
  open = true;
  await style("trash");
  new Trash(actions).show();
}

class Trash {
  #actions;
  /** @type {ReturnType<typeof openSheet> | null} */
  #sheet = null;
  /** @type {string | null} */
  #next = null;
  #lead = h("p", { class: "wc-trash-lead" });
  #rows = h("ul", { class: "wc-trash-rows" });
  #foot = h("div", { class: "wc-trash-foot" });
  #empty = h("button", { type: "button", class: "wc-button wc-danger", hidden: true, onclick: () => this.#emptyAll() }, t("trash.empty_all"));

  /** @param {Actions} actions */
  constructor(actions) {
    this.#actions = actions;
  }

  show() {
    this.#sheet = openSheet("trash", {
      title: t("trash.title"),
      body: h("div", { class: "wc-trash-list" }, this.#lead, this.#rows, this.#foot),
      actions: [this.#empty],
      onClose: () => (open = false),
    });
    this.#load();
  }

  async #load() {
    this.#foot.replaceChildren(h("p", { class: "wc-trash-note", role: "status" }, t("sidebar.loading")));
    const cursor = this.#next;
    try {
      const page = await api.get("api/trash", { cursor, limit: PAGE });
      if (cursor !== this.#next) return; // all was deleted meanwhile
      this.#lead.textContent = t(page.days === 0 ? "trash.lead_none" : "trash.lead", { count: page.days });
      this.#next = page.next;
      this.#rows.append(...page.items.map((item) => this.#row(item)));
      this.#drawn();
    } catch (error) {
      this.#foot.replaceChildren(h("div", { class: "wc-trash-note", role: "alert" }, h("p", {}, errorLine(error)), h("button", { type: "button", class: "wc-button", onclick: () => this.#load() }, t("app.retry"))));
    }
  }

  // What stands under the rows: nothing was deleted, or there are more.
  #drawn() {
    const some = this.#rows.childElementCount > 0;
    this.#empty.hidden = !some;
    this.#lead.hidden = !some;
    const none = () => h("div", { class: "wc-trash-none" }, icon("trash"), h("p", {}, t("trash.none")), h("p", { class: "wc-trash-quiet" }, this.#lead.textContent));
    const more = () => h("button", { type: "button", class: "wc-button", onclick: () => this.#load() }, t("trash.more"));
    this.#foot.replaceChildren(...(this.#next ? [more()] : some ? [] : [none()]));
  }

  /** @param {TrashItem} item */
  #row(item) {
    const whole = item.kind === "conversation";
    const title = item.title || t("app.untitled");
    const name = whole ? title : item.excerpt.trim() || t("trash.no_text");
    const now = new Date();
    const left = new Date(item.ends_at) > now ? t("trash.left", { time: until(item.ends_at, now, language) }) : t("trash.left_none");
    const from = whole ? null : h("div", { class: "wc-trash-about wc-one-line" }, t(item.count === 1 ? "trash.message" : "trash.messages", { count: item.count, title }));
    const when = h("div", { class: "wc-trash-about wc-one-line" }, t("trash.deleted", { when: ago(item.deleted_at, now, language) }), " · ", h("time", { datetime: item.ends_at, title: new Date(item.ends_at).toLocaleString(language) }, left));
    const row = h(
      "li",
      { class: "wc-trash-row" },
      icon(whole ? "chat" : "lines"),
      h("div", { class: "wc-trash-words" }, h("div", { class: "wc-trash-name wc-one-line", dir: "auto" }, name), from, when),
      h("button", { type: "button", class: "wc-button", "aria-label": t("trash.restore_this", { title: name.slice(0, 80) }), onclick: () => this.#restore(item, row) }, t("trash.restore")),
      iconButton("trash", t("trash.end"), () => this.#end(item, row), { "aria-label": t("trash.end_this", { title: name.slice(0, 80) }) }),
    );
    return row;
  }

  /** @param {TrashItem} item @param {HTMLElement} row */
  async #restore(item, row) {
    const whole = item.kind === "conversation";
    const buttons = disabled(row);
    if (whole && !(await restoreChat(item.id))) return buttons();
    if (!whole) {
      try {
        const { conversation } = await api.post(`api/messages/${item.id}/restore`);
        bus.emit("conversation", { conversation });
        tell("changed", conversation.id);
        this.#actions.refresh();
      } catch (error) {
        toast(errorLine(error), { kind: "error" });
        return buttons();
      }
    }
    this.#remove(row);
    const look = () => {
      this.#sheet?.close();
      this.#actions.open(item.conversation_id, whole ? null : item.id);
    };
    toast(t(whole ? "trash.chat_restored" : "trash.messages_restored"), { action: { label: t("trash.open"), onclick: look } });
  }

  /** @param {TrashItem} item @param {HTMLElement} row */
  async #end(item, row) {
    const whole = item.kind === "conversation";
    if (!(await ask({ title: t("trash.end_title"), words: t(whole ? "trash.end_chat" : item.count === 1 ? "trash.end_message" : "trash.end_messages"), yes: t("trash.end"), danger: true }))) return;
    const buttons = disabled(row);
    try {
      await api.delete(`api/trash/${whole ? "conversations" : "messages"}/${item.id}`);
      this.#remove(row);
    } catch (error) {
      buttons();
      toast(errorLine(error), { kind: "error" });
    }
  }

  async #emptyAll() {
    if (!(await ask({ title: t("trash.empty_title"), words: t("trash.empty_words"), yes: t("trash.empty_all"), danger: true }))) return;
    try {
      await api.delete("api/trash");
      this.#rows.replaceChildren();
      this.#next = null;
      this.#drawn();
      toast(t("trash.emptied"));
    } catch (error) {
      toast(errorLine(error), { kind: "error" });
    }
  }

  // The focus goes to the row that moves up, so that the next one can be chosen.
  /** @param {HTMLElement} row */
  #remove(row) {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    this.#drawn();
    (next?.querySelector(".wc-button") ?? this.#sheet?.dialog.querySelector(".wc-icon-button"))?.focus({ preventScroll: true });
  }
}

// Disables the buttons of a row while it waits; returns what enables them again.
/** @param {HTMLElement} row */
function disabled(row) {
  const buttons = [...row.querySelectorAll("button")];
  for (const button of buttons) button.disabled = true;
  return () => {
    for (const button of buttons) button.disabled = false;
  };
}
