// Files that the server makes.

import { url } from "./api.js";
import { h } from "./dom.js";

// The server names the file; the browser writes it without holding it.
/** @param {string} path @param {string} format */
export function download(path, format) {
  const link = h("a", { href: url(path, { format }), download: "" });
  document.body.append(link);
  link.click();
  link.remove();
}
