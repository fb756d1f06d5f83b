// How a template is told from others: quiet words beside its name.

import { h, icon } from "../dom.js";
import { t } from "../i18n.js";

/** @import { ListedTemplate } from "../types.js" */

// What a template does when it is chosen: it says whom the model plays, or gives words, or both.
/** @param {ListedTemplate} template */
export function glyph(template) {
  return icon(template.has_system ? "persona" : "template");
}

// It came with the app, and stays as it is.
/** @param {ListedTemplate} template */
export const isStarter = (template) => template.id.startsWith("starter-");

/** @param {ListedTemplate} template */
export function marks(template) {
  const words = [];
  if (template.has_system) words.push(t("templates.persona"));
  if (isStarter(template)) words.push(t("templates.starter"));
  else if (template.scope === "shared") words.push(t("templates.shared"));
  return words.map((word) => h("span", { class: "wc-tag" }, word));
}
