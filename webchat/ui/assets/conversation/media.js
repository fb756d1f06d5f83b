// Pictures and sounds of a reply, shown in place of their names. What cannot be loaded or decoded is shown as its name.

import { h } from "../dom.js";

const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);
const SOUNDS = new Set(["audio/wav", "audio/ogg", "audio/mpeg"]);

/** Show the media named below `root`. address: gives the URL for a name. */
/** @param {ParentNode} root @param {(name: string) => string} address */
export function showMedia(root, address) {
  for (const named of root.querySelectorAll("[data-media]")) {
    const { media = "", type = "" } = named.dataset;
    named.replaceChildren(...parts(address(media), type, named.title, named.textContent));
    named.classList.toggle("wc-media", PICTURES.has(type) || SOUNDS.has(type));
  }
}

/** @param {string} href @param {string} type @param {string} description @param {string} name */
function parts(href, type, description, name) {
  if (PICTURES.has(type)) {
    const picture = h("img", { src: href, alt: description ? `${description} (${name})` : name, loading: "lazy", decoding: "async" });
    return [h("a", { href, target: "_blank", rel: "noopener noreferrer" }, picture)];
  }
  const words = h("span", { class: "wc-image-name" }, name);
  if (SOUNDS.has(type)) return [h("audio", { src: href, controls: true, preload: "metadata", "aria-label": name }), words];
  return [h("a", { href, download: "" }, words)];
}

/** Shows the name of media that failed to load. A listener for `error` events: they do not bubble, so add it with `capture`. */
/** @param {Event} event */
export function nameBroken({ target }) {
  const shown = target instanceof Element && target.closest(".wc-media");
  if (!shown) return;
  shown.classList.remove("wc-media");
  shown.replaceChildren(h("span", { class: "wc-image-name" }, target.getAttribute("alt") ?? target.getAttribute("aria-label")));
}
