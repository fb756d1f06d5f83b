// Whether chats outlive the server's disk: a line for operators where it makes snapshots, for all where it keeps none.

import { api } from "../api.js";
import { bus } from "../bus.js";
import { connection } from "../connection.js";
import { h } from "../dom.js";
import { language, t } from "../i18n.js";
import { ago } from "../times.js";

/** @import { Me } from "../types.js" */

const LOOK = 60_000;

export function savedLine() {
  const line = h("p", { class: "wc-side-saved", hidden: true });
  let heard = Date.now();
  const draw = () => {
    const text = words(connection.me, new Date(heard), new Date());
    line.textContent = text;
    line.hidden = !text;
    line.classList.toggle("wc-failed", Boolean(connection.me.saved?.failed || connection.me.saved?.rivals));
  };
  bus.on("me", () => {
    heard = Date.now();
    draw();
  });
  setInterval(async () => {
    if (document.hidden || !connection.me.saved) return;
    try {
      connection.me = await api.get("api/me");
      heard = Date.now();
    } catch {
      // what was heard last grows older
    }
    draw();
  }, LOOK);
  draw();
  return line;
}

// heard: when the server said so.
/** @param {Partial<Me>} me @param {Date} heard @param {Date} now */
export function words({ saved, ephemeral }, heard, now) {
  if (ephemeral) return t("saved.ephemeral");
  if (!saved) return "";
  if (saved.failed) return t("saved.failed");
  if (saved.rivals) return t("saved.rivals");
  if (saved.age === null) return t("saved.never");
  return t("saved.ago", { when: ago(new Date(heard.getTime() - 1000 * saved.age).toISOString(), now, language) });
}
