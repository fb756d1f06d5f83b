// The person's own page: who they are, how the page looks, where they are signed in, and their data. Who did not sign in has
// no name, password and devices.

import { api } from "../api.js";
import { LANGUAGES, setLanguage, THEMES } from "../appearance.js";
import { bus } from "../bus.js";
import { connection } from "../connection.js";
import { h } from "../dom.js";
import { errorLine, language, t } from "../i18n.js";
import { ShareList } from "../shares/list.js";
import { field, openSheet, setProblem } from "../sheet.js";
import { style } from "../style.js";
import { toast } from "../toast.js";
import { yourChats } from "./chats.js";
import { Devices } from "./devices.js";
import { Keys } from "./keys.js";
import { passwordForm } from "./password.js";

/** @import { Child } from "../dom.js" */
/** @import { Person } from "../types.js" */

let open = false;

export async function openAccount() {
  if (open) return;
  open = true;
  await Promise.all([style("account"), style("shares")]);
  const { person } = connection.me;
  const devices = person && new Devices();
  // Not of testers and visitors: the server refuses theirs.
  const keys = ["member", "operator", "local"].includes(connection.me.owner?.kind ?? "") && new Keys();
  const shares = connection.me.shares !== "off" && new ShareList(null);
  const body = h(
    "div",
    { class: "wc-account-sections" },
    person && [
      // Where a provider vouches for people, their name is the provider's, who says it anew at each sign-in.
      section("profile", person.password ? nameForm(person) : fact(t("account.name"), person.name), person.email && fact(t("account.email"), person.email)),
      person.password && section("password", passwordForm(() => devices?.load())),
    ],
    // Operators' always may; nobody asks them.
    person && connection.me.owner?.kind === "member" && section("training", ...training(person)),
    section("appearance", appearance()),
    devices && section("devices", devices.element),
    keys && section("keys", keys.element),
    shares && section("shares", shares.element),
    section("chats", ...yourChats(() => sheet.close())),
  );
  // The bar behind it says that the session has ended.
  const off = bus.on("out", () => sheet.dialog.close());
  const sheet = openSheet("account", { title: t(person ? "account.title" : "account.preferences"), body, onClose: () => (off(), (open = false)) });
  devices?.load();
  if (keys) keys.load();
  if (shares) shares.load();
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

// Whether what they say of replies may train models: saved at once, or back where it was.
/** @param {Person} person */
function training(person) {
  let saved = person.trains;
  let busy = false;
  const hint = h("p", { class: "wc-field-hint", id: "wc-account-training-hint" }, t("account.training_hint"));
  const box = h("input", { type: "checkbox", checked: saved, "aria-describedby": hint.id, onchange: save });
  const label = h("label", { class: "wc-account-check" }, box, h("span", {}, t("account.training_allow")));
  const problem = h("p", { class: "wc-field-hint wc-danger", role: "status" });

  async function save() {
    if (busy) return;
    busy = true;
    problem.textContent = "";
    try {
      while (box.checked !== saved) {
        const trains = box.checked;
        await api.put("api/me/training", { trains });
        saved = trains;
      }
      Object.assign(connection.me, { person: { ...connection.me.person, trains: saved } });
    } catch (error) {
      box.checked = saved;
      problem.textContent = errorLine(error);
    } finally {
      busy = false;
    }
  }

  return [label, hint, problem];
}

function appearance() {
  const config = window.webchatConfig;
  /** @param {Record<string, string>} options @param {string} chosen @param {(value: string) => void} choose */
  const choice = (options, chosen, choose) => {
    const choices = Object.entries(options).map(([value, label]) => h("option", { value, selected: value === chosen }, label));
    return h("select", { onchange: (event) => choose(event.currentTarget.value) }, choices);
  };
  const themes = Object.fromEntries(Object.keys(THEMES).map((name) => [name, t(`app.theme.${name}`)]));
  return h(
    "div",
    { class: "wc-account-pair" },
    field(t("app.theme"), choice(themes, config.theme(), (name) => config.setTheme(name))),
    field(t("app.language"), choice(LANGUAGES, language, setLanguage)),
  );
}
