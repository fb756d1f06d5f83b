// The devices on which a person is signed in, and signing out of them from here.

import { api } from "../api.js";
import { connection } from "../connection.js";
import { h, icon } from "../dom.js";
import { errorLine, language, t } from "../i18n.js";
import { ago } from "../times.js";
import { toast } from "../toast.js";
import { signOut } from "./leaving.js";

/** @import { Session } from "../types.js" */

export class Devices {
  #rows = h("ul", { class: "wc-account-devices" });
  #foot = h("div", { class: "wc-account-buttons" });
  element = h("div", {}, this.#rows, this.#foot);

  async load() {
    if (!this.#rows.childElementCount) this.#foot.replaceChildren(h("p", { class: "wc-muted", role: "status" }, t("sidebar.loading")));
    try {
      const { sessions } = await api.get("api/me/sessions");
      this.#rows.replaceChildren(...sessions.map((session) => this.#row(session)));
      this.#drawFoot();
    } catch (error) {
      this.#foot.replaceChildren(h("p", { role: "alert" }, errorLine(error)), h("button", { type: "button", class: "wc-button", onclick: () => this.load() }, t("app.retry")));
    }
  }

  #drawFoot() {
    const others = () => h("button", { type: "button", class: "wc-button", onclick: (event) => this.#endOthers(event.currentTarget) }, t("account.sign_out_others"));
    this.#foot.replaceChildren(...(this.#rows.childElementCount > 1 ? [others()] : []));
  }

  /** @param {Session} session */
  #row({ id, device, created_at: since, used_at: used, current }) {
    const name = device || t("account.unknown_device");
    const begun = t("account.since", { date: new Date(since).toLocaleDateString(language, { dateStyle: "medium" }) });
    const last = h("time", { datetime: used, title: new Date(used).toLocaleString(language) }, t("account.last_used", { when: ago(used, new Date(), language) }));
    const row = h(
      "li",
      { class: "wc-account-device", "aria-current": current && "true" },
      icon(/iPhone|iPad|Android/.test(device) ? "phone" : "screen"),
      h(
        "div",
        { class: "wc-account-words" },
        h("div", { class: "wc-account-name" }, h("span", { dir: "auto" }, name), current && h("span", { class: "wc-account-mark" }, t("account.this_device"))),
        h("div", { class: "wc-account-about" }, current ? begun : [last, " · ", begun]),
      ),
      h("button", { type: "button", class: "wc-button", "aria-label": t(current ? "account.sign_out_here" : "account.sign_out_of", { device: name }), onclick: (event) => (current ? signOut(connection.me) : this.#end(id, name, row, event.currentTarget)) }, t("account.sign_out")),
    );
    return row;
  }

  /** @param {string} id @param {string} name @param {HTMLElement} row @param {HTMLButtonElement} button */
  async #end(id, name, row, button) {
    button.disabled = true;
    try {
      await api.delete(`api/me/sessions/${id}`);
    } catch (error) {
      if (error.status !== 404) {
        button.disabled = false;
        return toast(errorLine(error), { kind: "error" });
      }
    }
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    this.#drawFoot();
    next?.querySelector("button")?.focus({ preventScroll: true });
    toast(t("account.signed_out_of", { device: name }));
  }

  /** @param {HTMLButtonElement} button */
  async #endOthers(button) {
    button.disabled = true;
    try {
      await api.delete("api/me/sessions");
    } catch (error) {
      button.disabled = false;
      return toast(errorLine(error), { kind: "error" });
    }
    for (const row of [...this.#rows.children]) if (!row.matches("[aria-current]")) row.remove();
    this.#drawFoot();
    this.#rows.querySelector("button")?.focus({ preventScroll: true });
    toast(t("account.signed_out_others"));
  }
}
