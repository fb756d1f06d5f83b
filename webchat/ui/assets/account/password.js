// The form that changes the password. It is closed until it is wanted, so that no browser fills it in unasked.

import { api } from "../api.js";
import { h } from "../dom.js";
import { errorLine, t } from "../i18n.js";
import { field, setProblem } from "../sheet.js";
import { toast } from "../toast.js";
import { fieldOf, missing } from "./problems.js";

/** @import { Name } from "./problems.js" */

// onChanged: called when the password is another one, which has ended the person's other sessions.
/** @param {() => void} onChanged */
export function passwordForm(onChanged) {
  /** @param {"current-password" | "new-password"} kind */
  const box = (kind) => h("input", { type: "password", autocomplete: kind, maxlength: "1000", required: true, "aria-invalid": "false" });
  /** @type {Record<Name, HTMLInputElement>} */
  const boxes = { current: box("current-password"), next: box("new-password"), repeated: box("new-password") };
  const save = h("button", { class: "wc-button wc-primary" }, t("account.change_password"));
  const form = h(
    "form",
    { class: "wc-account-form", novalidate: true, hidden: true, onsubmit: submit },
    field(t("account.current_password"), boxes.current),
    field(t("account.new_password"), boxes.next, t("account.new_password_hint")),
    field(t("account.repeat_password"), boxes.repeated),
    h("div", { class: "wc-account-buttons" }, save, h("button", { type: "button", class: "wc-button", onclick: () => show(false) }, t("app.cancel"))),
  );
  const opener = h("button", { type: "button", class: "wc-button", "aria-expanded": "false", onclick: () => show(true) }, t("account.change_password"));

  /** @param {boolean} open */
  function show(open) {
    form.hidden = !open;
    opener.hidden = open;
    form.reset();
    for (const control of Object.values(boxes)) setProblem(control, "");
    (open ? boxes.current : opener).focus();
  }

  /** @param {Name} name @param {string} words */
  function complain(name, words) {
    setProblem(boxes[name], words);
    boxes[name].focus();
    boxes[name].select();
  }

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    for (const control of Object.values(boxes)) setProblem(control, "");
    const words = { current: boxes.current.value, next: boxes.next.value, repeated: boxes.repeated.value };
    const problem = missing(words);
    if (problem) return complain(problem.name, t(problem.key));
    save.disabled = true;
    try {
      await api.put("api/me/password", { current: words.current, new: words.next });
    } catch (error) {
      const name = fieldOf(error);
      if (name) complain(name, error.code === "password_wrong" ? t("account.wrong_password") : errorLine(error));
      else toast(errorLine(error), { kind: "error" });
      return;
    } finally {
      save.disabled = false;
    }
    show(false);
    toast(t("account.password_changed"));
    onChanged();
  }

  return h("div", {}, opener, form);
}
