// What the menus offer: appearance, language, exports, help.

import { accountItems, signingItems } from "./account/menu.js";
import { api } from "./api.js";
import { LANGUAGES, setLanguage, THEMES } from "./appearance.js";
import { connection } from "./connection.js";
import { h, iconButton, isMac, showDialog } from "./dom.js";
import { download, FORMATS, inFormat } from "./download.js";
import { errorLine, language, t } from "./i18n.js";
import { importAllowed } from "./importing/allowed.js";
import { reviewItems } from "./reviewing/menu.js";
import { settings } from "./settings.js";
import { mayPrompt } from "./tester/link.js";
import { testerItems } from "./tester/menu.js";
import { toast } from "./toast.js";

/** @import { IconName, MenuItem } from "./dom.js" */
/** @import { EarlierOwner } from "./types.js" */

// actions: what the shell does.
/** @param {{ importFile(): void }} actions @returns {MenuItem[]} */
export function mainMenu(actions) {
  const config = window.webchatConfig;
  const { info } = settings;
  /** @param {[string, IconName]} theme @returns {MenuItem} */
  const theme = ([name, icon]) => ({
    label: t(`app.theme.${name}`),
    icon,
    checked: config.theme() === name,
    onclick: () => config.setTheme(name),
  });
  /** @param {[string, string]} language @returns {MenuItem} */
  const spoken = ([code, label]) => ({ label, icon: "globe", checked: language === code, onclick: () => setLanguage(code) });
  return [
    ...testerItems(),
    ...accountItems(),
    { heading: t("app.theme") },
    ...Object.entries(THEMES).map(theme),
    { heading: t("app.language") },
    ...Object.entries(LANGUAGES).map(spoken),
    { heading: t("export.menu") },
    ...exportAll(),
    ...only(importAllowed(), { label: t("import.menu"), icon: "enter", onclick: () => actions.importFile() }),
    ...earlier(),
    ...pages(),
    "-",
    ...reviewItems(),
    ...only(mayPrompt(connection.link), { label: t("templates.menu"), icon: "template", onclick: showTemplates }),
    ...only(connection.me.operates && info?.in_process, { label: t("chattemplate.menu"), icon: "braces", onclick: () => goto(`operator/?tab=models&model=${encodeURIComponent(info?.name ?? "")}`) }),
    ...only(connection.me.operates, { label: t("console.menu"), icon: "sliders", onclick: () => goto("operator/") }),
    ...only(connection.me.operates, { label: t("moderation.menu"), icon: "shield", onclick: () => goto("operator/?tab=moderation") }),
    { label: t("app.shortcuts"), icon: "keyboard", onclick: showShortcuts },
    ...signingItems(),
  ];
}

/** @param {boolean | undefined} offered @param {MenuItem} item */
const only = (offered, item) => (offered ? [item] : []);

// A page beside the chat.
/** @param {string} path */
const goto = (path) => location.assign(new URL(path, document.baseURI));

// Pages of other packages that this person may open.
/** @returns {MenuItem[]} */
function pages() {
  const items = (connection.me.pages ?? []).map(({ name, titles }) => ({
    label: titles[language] ?? name,
    icon: /** @type {IconName} */ ("lines"),
    onclick: () => goto(`pages/${name}/`),
  }));
  return items.length ? [{ heading: t("pages.heading") }, ...items] : [];
}

// Who this browser was before: each can be switched back to.
/** @returns {MenuItem[]} */
function earlier() {
  const others = connection.me.earlier ?? [];
  /** @param {EarlierOwner} owner */
  const named = ({ kind, name }) => (kind === "guest" && !name ? t("identity.guest_unnamed") : t(`identity.${kind}`, { name }));
  /** @type {MenuItem[]} */
  const items = others.map((one) => {
    const who = named(one);
    const date = new Date(one.since).toLocaleDateString(language, { dateStyle: "medium" });
    const alone = others.filter((other) => named(other) === who).length === 1;
    return { label: alone ? who : t("identity.since", { who, date }), icon: "persona", onclick: () => become(one.id) };
  });
  return items.length ? [{ heading: t("identity.heading") }, ...items] : [];
}

/** @param {string} id */
async function become(id) {
  try {
    await api.post("t/switch", { id });
    location.assign(document.baseURI); // another tab of theirs starts again by itself
  } catch (error) {
    toast(errorLine(error), { kind: "error" });
  }
}

/** @param {string | null} id @param {boolean} [all] @returns {MenuItem[]} */
export function exportItems(id, all = false) {
  const items = id === null ? [] : downloads(`api/conversations/${id}/export`, "export.chat");
  return all ? [...items, ...only(items.length > 0, "-"), ...exportAll()] : items;
}

const exportAll = () => downloads("api/export", "export.all");

/** @param {string} path @param {string} key of the label @returns {MenuItem[]} */
function downloads(path, key) {
  return FORMATS.map((format) => ({ label: inFormat(key, format), icon: "download", onclick: () => download(path, format) }));
}

export async function showTemplates() {
  if (!mayPrompt(connection.link)) return;
  const { openLibrary } = await import("./templates/library.js");
  openLibrary();
}

const PROMPTING = new Set(["shortcuts.slash", "shortcuts.templates", "shortcuts.settings"]);

export function showShortcuts() {
  if (document.querySelector(".wc-shortcuts")) return;
  const mod = isMac ? "⌘" : "Ctrl";
  /** @type {[string[], string][]} */
  const rows = [
    [["Enter"], "shortcuts.send"],
    [["Shift", "Enter"], "shortcuts.newline"],
    [["Esc"], "shortcuts.stop"],
    [[mod, "K"], "shortcuts.search"],
    [[mod, "Shift", "O"], "shortcuts.new"],
    [[mod, "Shift", "S"], "shortcuts.sidebar"],
    [["/"], "shortcuts.slash"],
    [[mod, "Shift", "L"], "shortcuts.templates"],
    [[mod, ","], "shortcuts.settings"],
    [[mod, "P"], "print.menu"],
    [["↑", "↓"], "shortcuts.list"],
    [["→"], "shortcuts.row_menu"],
    [["F2"], "shortcuts.rename"],
    [[t("shortcuts.space")], "shortcuts.select"],
    [[mod, "/"], "shortcuts.help"],
  ];
  const list = h(
    "dl",
    {},
    rows.filter(([, text]) => !PROMPTING.has(text) || mayPrompt(connection.link)).map(([keys, text]) => h("div", {}, h("dt", {}, t(text)), h("dd", {}, keys.map((key) => h("kbd", {}, key))))),
  );
  const dialog = showDialog(
    "wc-shortcuts",
    t("shortcuts.title"),
    h("div", { class: "wc-dialog-head" }, h("h2", {}, t("shortcuts.title")), iconButton("close", t("app.close"), () => dialog.close())),
    list,
  );
}
