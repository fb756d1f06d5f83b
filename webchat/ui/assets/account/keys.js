// The keys with which programs use the server for a person: which there are, making one, which is shown once, and revoking it.

import { api } from "../api.js";
import { copyText, showCopied } from "../copying.js";
import { h, icon } from "../dom.js";
import { errorLine, language, t } from "../i18n.js";
import { ago, lastDay } from "../times.js";
import { toast } from "../toast.js";
import { keyForm } from "./keyform.js";
import { COUNTS, SCOPES } from "./keyterms.js";

/** @import { ApiKey, NewApiKey, NewApiKeyBody } from "../types.js" */

export class Keys {
  #rows = h("ul", { class: "wc-account-devices" });
  #new = h("div", { role: "status" });
  #foot = h("div", { class: "wc-account-buttons" });
  element = h("div", {}, h("p", { class: "wc-field-hint wc-account-keys-hint" }, t("keys.hint")), this.#new, this.#rows, this.#foot);

  async load() {
    if (!this.#rows.childElementCount) this.#foot.replaceChildren(h("p", { class: "wc-muted", role: "status" }, t("sidebar.loading")));
    try {
      const { keys } = await api.get("api/me/keys");
      this.#rows.replaceChildren(...keys.map((key) => this.#row(key)));
      this.#drawFoot();
    } catch (error) {
      this.#foot.replaceChildren(h("p", { role: "alert" }, errorLine(error)), h("button", { type: "button", class: "wc-button", onclick: () => this.load() }, t("app.retry")));
    }
  }

  #drawFoot() {
    const opener = h("button", { type: "button", class: "wc-button", onclick: () => this.#ask() }, t("keys.create"));
    this.#foot.replaceChildren(opener);
    return opener;
  }

  #ask() {
    const close = () => {
      form.remove();
      this.#drawFoot().focus();
    };
    const make = async (/** @type {NewApiKeyBody} */ body) => {
      this.#show(await api.post("api/me/keys", body));
      form.remove();
    };
    const { form, focus } = keyForm({ make, close, words: errorLine });
    this.#foot.replaceChildren(form);
    focus();
  }

  // Only now: the server keeps no more of it than a hash.
  /** @param {NewApiKey} made */
  #show({ key, token }) {
    const box = h("input", { type: "text", readonly: true, value: token, class: "wc-account-token", "aria-label": t("keys.token"), onfocus: (event) => event.currentTarget.select() });
    const copy = h("button", { type: "button", class: "wc-button wc-primary", onclick: async () => (await copyText(token)) && showCopied(copy, t("transcript.copied")) }, t("keys.copy"));
    const done = h("button", { type: "button", class: "wc-button", onclick: () => (this.#new.replaceChildren(), this.#drawFoot().focus()) }, t("keys.done"));
    this.#new.replaceChildren(h("div", { class: "wc-account-made" }, h("p", {}, t("keys.made", { name: key.name })), h("div", { class: "wc-field" }, h("div", { class: "wc-account-line" }, box, copy)), h("div", { class: "wc-account-buttons" }, done)));
    this.#rows.prepend(this.#row(key));
    this.#drawFoot();
    copy.focus();
  }

  /** @param {ApiKey} key */
  #row(key) {
    const { id, name, prefix } = key;
    const revoke = h("button", { type: "button", class: "wc-button wc-danger", "aria-label": t("keys.revoke_of", { name }), onclick: () => this.#revoke(id, name, row, revoke) }, t("keys.revoke"));
    const row = h(
      "li",
      { class: "wc-account-device" },
      icon("braces"),
      h("div", { class: "wc-account-words" }, h("div", { class: "wc-account-name" }, h("span", { dir: "auto" }, name), h("code", { class: "wc-muted" }, `${prefix}…`)), h("div", { class: "wc-account-about" }, about(key))),
      revoke,
    );
    return row;
  }

  /** @param {string} id @param {string} name @param {HTMLElement} row @param {HTMLButtonElement} button */
  async #revoke(id, name, row, button) {
    // Programs stop at once, and nothing brings the key back: the second press does it.
    if (!button.dataset.sure) {
      button.dataset.sure = "yes";
      button.textContent = t("keys.revoke_sure");
      button.addEventListener("blur", () => (delete button.dataset.sure, (button.textContent = t("keys.revoke"))), { once: true });
      return;
    }
    button.disabled = true;
    try {
      await api.delete(`api/me/keys/${id}`);
    } catch (error) {
      if (error.status !== 404) {
        button.disabled = false;
        return toast(errorLine(error), { kind: "error" });
      }
    }
    row.remove();
    this.#new.replaceChildren();
    this.#drawFoot().focus();
    toast(t("keys.revoked", { name }));
  }
}

// "last used yesterday · until 3 May · /v1, read · a few models · 10 requests a minute"
/** @param {ApiKey} key */
function about(key) {
  const { scopes, models, stored, created_at: created, expires_at: expires, expired, last_used_at: used } = key;
  const date = (/** @type {string | number} */ at) => new Date(at).toLocaleDateString(language, { dateStyle: "medium" });
  const last = used ? h("time", { datetime: used, title: new Date(used).toLocaleString(language) }, t("account.last_used", { when: ago(used, new Date(), language) })) : t("keys.unused", { date: date(created) });
  const facts = [
    last,
    expired ? t("keys.expired") : expires && t("keys.until", { date: lastDay(expires, language) }),
    scopes.length < SCOPES.length && scopes.map((scope) => t(`keys.short.${scope}`)).join(", "),
    models.length > 0 && models.join(", "),
    ...COUNTS.map((count) => key[count] && t(`keys.limit.${count}`, { count: key[count] })),
    !stored && t("keys.not_stored"),
  ].filter(Boolean);
  return facts.flatMap((fact, at) => (at ? [" · ", fact] : [fact]));
}
