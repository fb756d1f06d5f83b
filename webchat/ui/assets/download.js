// Files that the server makes.

import { url } from "./api.js";
import { h } from "./dom.js";
import { t } from "./i18n.js";

// Of chats: those to read, the ones that lose nothing, those that trainers read.
export const FORMATS = ["markdown", "html", "json", "zip", "openai", "sharegpt"];

// The label of a download.
/** @param {string} key @param {string} format */
export const inFormat = (key, format) => t(key, { format: t(`export.format.${format}`) });

// The server names the file; the browser writes it without holding it.
/** @param {string} path @param {string} format @param {string[]} [id] of some chats alone */
export function download(path, format, id) {
  const link = h("a", { href: url(path, { format, id }), download: "" });
  document.body.append(link);
  link.click();
  link.remove();
}
