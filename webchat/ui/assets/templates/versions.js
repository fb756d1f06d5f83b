// What a template was at each of its saves, beside what it is now.

import { h } from "../dom.js";
import { errorLine, t } from "../i18n.js";
import { verbs } from "./data.js";
import { lineDiff } from "./diff.js";
import { diffView, versionRow, when } from "./history.js";

/** @import { Row } from "./diff.js" */
/** @import { ListedTemplateVersion, Template, TemplateText, TemplateVersion } from "../types.js" */
/** @typedef {((version: TemplateVersion) => void) | null} GoBack */

const LONGEST = 2000; // lines of a text that are compared

// present: the content now. goBack(version): the visitor wants that one again, or null when it may not be changed.
/** @param {Template} template @param {TemplateText} present @param {GoBack} goBack */
export async function versionsPane(template, present, goBack) {
  const pane = h("div", { class: "wc-versions-pane" }, h("p", { class: "wc-quiet" }, t("templates.loading")));
  try {
    const versions = await verbs.versions(template.id);
    const detail = h("div", { class: "wc-version-detail", "aria-live": "polite" });
    const rows = versions.map((version) => {
      const { number, created_at: at, author, note } = version;
      return versionRow(t("templates.version", { number }), when(at, author), note, () => choose(version));
    });
    /** @type {Map<number, TemplateVersion>} */
    const whole = new Map(); // by number
    /** @type {ListedTemplateVersion | null} */
    let chosen = null;
    /** @param {ListedTemplateVersion} version */
    const choose = async (version) => {
      chosen = version;
      rows.forEach((row, at) => row.setAttribute("aria-pressed", String(versions[at] === version)));
      const { number } = version;
      let shown;
      try {
        const found = whole.get(number) ?? (await verbs.version(template.id, number));
        whole.set(number, found);
        shown = differences(found, present, number === template.version ? null : goBack);
      } catch (error) {
        shown = [h("p", { class: "wc-danger", role: "alert" }, errorLine(error))];
      }
      if (chosen === version) detail.replaceChildren(...shown);
    };
    pane.replaceChildren(h("div", { class: "wc-version-list", role: "group", "aria-label": t("templates.versions") }, rows), detail);
    await choose(versions[1] ?? versions[0]);
  } catch (error) {
    pane.replaceChildren(h("p", { class: "wc-danger", role: "alert" }, errorLine(error)));
  }
  return pane;
}

/** @param {TemplateVersion} version @param {TemplateText} present @param {GoBack} goBack */
function differences(version, present, goBack) {
  const before = partsOf(version.content);
  const now = partsOf(present);
  const sections = [...before.keys()]
    .map((key) => ({ key, rows: changes(before.get(key) ?? "", now.get(key) ?? "") }))
    .filter(({ rows }) => rows.some(([mark]) => mark !== "same"))
    .map(({ key, rows }) => h("section", {}, h("h4", {}, t(key)), diffView(rows)));
  const back = goBack && h("button", { type: "button", class: "wc-button", onclick: () => goBack(version) }, t("templates.go_back"));
  const head = h("div", { class: "wc-version-head" }, h("p", { class: "wc-quiet" }, t(sections.length ? "templates.diff_hint" : "templates.diff_none", { number: version.number })), back);
  return [head, ...sections];
}

/** @param {string} before @param {string} after @returns {Row[]} */
function changes(before, after) {
  const long = [before, after].some((text) => text.split("\n").length > LONGEST);
  if (!long) return lineDiff(before, after);
  return before === after ? [] : [["gone", before], ["new", after]];
}

// A content as texts that can be laid side by side.
/** @param {TemplateText} content */
function partsOf({ name, description, system, user, variables, sampling, model }) {
  const listed = (/** @type {[string, unknown][]} */ entries) => entries.map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join("\n");
  const set = (/** @type {[string, unknown]} */ [, value]) => value !== null && value !== undefined && value !== "" && value !== false && !(Array.isArray(value) && !value.length);
  return new Map([
    ["templates.name", name],
    ["templates.description", description],
    ["templates.system", system],
    ["templates.user", user],
    ["templates.variables", variables.map((variable) => listed(Object.entries(variable).filter(set))).join("\n\n")],
    ["templates.sampling", listed(Object.entries(sampling).filter(set))],
    ["templates.model", model ?? ""],
  ]);
}
