// The account of the person who signed in: their name, their password, their devices, their chats as a file.

import { api } from "../api.js";
import { bus } from "../bus.js";
import { connection } from "../connection.js";
import { h, icon } from "../dom.js";
import { download } from "../download.js";
import { errorLine, t } from "../i18n.js";
import { field, openSheet, setProblem } from "../sheet.js";
import { style } from "../style.js";
import { toast } from "../toast.js";
import { Devices } from "./devices.js";
import { passwordForm } from "./password.js";

/** @import { Child } from "../dom.js" */
/** @import { Person } from "../types.js" */

let open = false;

export async function openAccount() {
  const { person } = connection.me;
  if (open || !person) return;
  open = true;
  await style("account");
  const devices = new Devices();
  const body = h(
    "div",
    { class: "wc-account-sections" },
    // Where a provider vouches for people, their name is the provider's, who says it anew at each sign-in.
    section("profile", person.password ? nameForm(person) : fact(t("account.name"), person.name), person.email && fact(t("account.email"), person.email)),
    person.password && section("password", passwordForm(() => devices.load())),
    section("devices", devices.element),
    section("chats", exports()),
  );
  // The bar behind it says that the session has ended.
  const off = bus.on("out", () => sheet.dialog.close());
  const sheet = openSheet("account", { title: t("account.title"), body, onClose: () => (off(), (open = false)) });
  devices.load();
}

/** @param {string} name @param {...Child} children */
function section(name, ...children) {
  const heading = h("h3", { id: `wc-account-${name}` }, t(`account.${name}`));
  return h("section", { "aria-labelledby": heading.id }, heading, children);
}

/** @param {Person} person */
function nameForm(person) {
  const box = h("input", { type: "text", autocomplete: "name", maxlength: "100", value: person.name, dir: "auto", oninput: () => refresh() });
  const save = h("button", { class: "wc-button", disabled: true }, t("app.save"));
  const words = () => box.value.trim();
  const refresh = () => {
    setProblem(box, "");
    save.disabled = !words() || words() === connection.me.person?.name;
  };
  const named = field(t("account.name"), box);
  const line = h("div", { class: "wc-account-line" });
  box.before(line);
  line.append(box, save);
  const form = h("form", { novalidate: true, onsubmit: submit }, named);

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    if (save.disabled) return;
    save.disabled = true;
    try {
      const renamed = await api.patch("api/me", { name: words() });
      Object.assign(connection.me, { person: renamed });
      bus.emit("me", { me: connection.me });
      box.value = renamed.name;
      toast(t("account.name_saved"));
    } catch (error) {
      setProblem(box, errorLine(error));
      save.disabled = false;
    }
  }

  return form;
}

/** @param {string} label @param {string} value */
function fact(label, value) {
  return h("div", { class: "wc-field" }, h("span", { class: "wc-account-label" }, label), h("span", { class: "wc-account-value", dir: "auto" }, value));
}

function exports() {
  /** @param {string} format @param {string} label */
  const button = (format, label) => h("button", { type: "button", class: "wc-button", onclick: () => download("api/export", format) }, icon("download"), label);
  return h("div", { class: "wc-account-buttons" }, button("markdown", t("export.all_markdown")), button("json", t("export.all_json")));
}
