// Chats of the same person that are somebody else's to the server: made on this machine without a link, with the operator's, or
// in this browser before they signed in. Offered above the list of chats until they are moved here, or put off on this browser.

import { api } from "./api.js";
import { h, the } from "./dom.js";
import { errorLine, language, t } from "./i18n.js";
import { sidebar } from "./sidebar.js";
import { style } from "./style.js";
import { toast } from "./toast.js";

/** @import { MovableChats } from "./types.js" */

const LATER = "webchat.move-chats-later."; // and the giver: how many chats there were when it was put off

/** @type {HTMLElement | null} */
let box = null;

// movable: [{giver, kind, name, since, chats}] of api/me.
/** @param {MovableChats[]} movable */
export async function offerChats(movable) {
  await style("movechats");
  const offered = movable.filter(({ giver, chats }) => kept(LATER + giver) !== String(chats));
  box ??= h("div", { class: "wc-movechats" });
  box.replaceChildren(...offered.map(offer));
  the("#wc-sidebar .wc-list").before(box);
}

/** @param {MovableChats} chats */
function offer({ giver, kind, name, since, chats }) {
  const date = new Date(since).toLocaleDateString(language, { dateStyle: "medium" });
  const move = h("button", { type: "button", class: "wc-move", onclick: () => take() }, t("movechats.move", { count: chats }));
  const later = h("button", { type: "button", class: "wc-move wc-quiet", onclick: () => putOff() }, t("movechats.later"));
  const words = t(`movechats.${kind}`, { count: chats, date, name });
  const card = h("section", { class: "wc-movechats-card", "aria-label": words },
    h("p", { dir: "auto" }, words), h("div", { class: "wc-movechats-actions" }, move, later));

  async function take() {
    move.disabled = later.disabled = true;
    move.textContent = t("movechats.moving");
    try {
      const { moved } = await api.post("api/conversations/take-over", { giver });
      card.remove();
      toast(t("movechats.done", { count: moved }));
    } catch (error) {
      toast(errorLine(error), { kind: "error" });
      move.disabled = later.disabled = false;
      move.textContent = t("movechats.move", { count: chats });
    }
    sidebar.refresh();
  }

  function putOff() {
    card.remove();
    try {
      localStorage.setItem(LATER + giver, String(chats));
    } catch {
      // offered again by the next page
    }
  }

  return card;
}

/** @param {string} name */
function kept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}
