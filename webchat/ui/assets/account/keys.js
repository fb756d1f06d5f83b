// The keys with which programs use the server for a person: which there are, making one, which is shown once, and revoking it.

import { api } from "../api.js";
import { copyText, showCopied } from "../copying.js";
import { h, icon } from "../dom.js";
import { errorLine, language, t } from "../i18n.js";
import { field, setProblem } from "../sheet.js";
import { ago } from "../times.js";
import { toast } from "../toast.js";

/** @import { ApiKey, NewApiKey } from "../types.js" */

/** @type {readonly ApiKey["scopes"][number][]} */
const SCOPES = ["chat", "read", "write"];
const LIFETIMES = ["30d", "90d", "365d", "never"];

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
    const name = h("input", { type: "text", maxlength: "100", autocomplete: "off", dir: "auto", required: true });
    const lifetime = h("select", {}, LIFETIMES.map((value) => h("option", { value }, t(`keys.expires.${value}`))));
    const boxes = SCOPES.map((scope) => h("input", { type: "checkbox", checked: true, value: scope }));
    const scopes = h("fieldset", { class: "wc-account-scopes" }, h("legend", {}, t("keys.scopes")), boxes.map((box) => h("label", { class: "wc-account-check" }, box, h("span", {}, t(`keys.scope.${box.value}`)))));
    const stored = h("input", { type: "checkbox", checked: true });
    const save = h("button", { class: "wc-button wc-primary" }, t("keys.create"));
    const close = () => {
      form.remove();
      this.#drawFoot().focus();
    };
    const cancel = h("button", { type: "button", class: "wc-button", onclick: close }, t("app.cancel"));
    const form = h(
      "form",
      { class: "wc-account-form", novalidate: true, onsubmit: submit },
      field(t("keys.name"), name, t("keys.name_hint")),
      field(t("keys.expires"), lifetime),
      scopes,
      h("label", { class: "wc-account-check" }, stored, h("span", {}, t("keys.stored"))),
      h("div", { class: "wc-account-buttons" }, save, cancel),
    );
    const made = (/** @type {NewApiKey} */ found) => this.#show(found);
    this.#foot.replaceChildren(form);
    name.focus();

    /** @param {SubmitEvent} event */
    async function submit(event) {
      event.preventDefault();
      if (!name.value.trim()) {
        setProblem(name, t("keys.name_needed"));
        return name.focus();
      }
      const chosen = SCOPES.filter((_, at) => boxes[at].checked);
      if (!chosen.length) return boxes[0].focus();
      save.disabled = true;
      try {
        made(await api.post("api/me/keys", { name: name.value, expires: lifetime.value, terms: { scopes: chosen, stored: stored.checked } }));
        form.remove();
      } catch (error) {
        setProblem(name, errorLine(error));
        save.disabled = false;
      }
    }
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

// "/v1, read · last used yesterday · until 3 May · a few models"
/** @param {ApiKey} key */
function about({ scopes, models, stored, created_at: created, expires_at: expires, expired, last_used_at: used }) {
  const date = (/** @type {string} */ at) => new Date(at).toLocaleDateString(language, { dateStyle: "medium" });
  const last = used ? h("time", { datetime: used, title: new Date(used).toLocaleString(language) }, t("account.last_used", { when: ago(used, new Date(), language) })) : t("keys.unused", { date: date(created) });
  const facts = [
    last,
    expired ? t("keys.expired") : expires && t("keys.until", { date: date(expires) }),
    scopes.length < SCOPES.length && scopes.map((scope) => t(`keys.short.${scope}`)).join(", "),
    models.length > 0 && models.join(", "),
    !stored && t("keys.not_stored"),
  ].filter(Boolean);
  return facts.flatMap((fact, at) => (at ? [" · ", fact] : [fact]));
}
