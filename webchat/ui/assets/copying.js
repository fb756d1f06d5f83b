// The clipboard, wherever the page runs: by plain http, in another site's frame, in an old browser.

import { icon } from "./conversation/icons.js";
import { h, isMac, showDialog } from "./dom.js";
import { t } from "./i18n.js";

const COPIED_SHOWN = 1600; // ms

// Resolves to whether it was copied. Where no way is allowed the text is shown, selected, for its reader to copy.
/** @param {string} text */
export async function copyText(text) {
  const copied = (await byPermission(text)) || bySelection(text);
  if (!copied) show(text);
  return copied;
}

// On secure origins only, and not in every frame.
/** @param {string} text */
async function byPermission(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** @param {string} text */
function bySelection(text) {
  const before = document.activeElement;
  const box = Object.assign(document.createElement("textarea"), { value: text });
  box.style.cssText = "position:fixed;opacity:0";
  (document.querySelector("dialog[open]") ?? document.body).append(box); // what is behind a dialog takes no selection
  box.select();
  const done = document.execCommand("copy");
  box.remove();
  if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  return done;
}

/** @param {string} text */
function show(text) {
  const box = h("textarea", { class: "wc-copy-text", readonly: "", rows: "8", dir: "auto", "aria-label": t("copy.label") });
  box.value = text;
  const close = h("button", { type: "button", class: "wc-button", onclick: () => dialog.close() }, t("app.close"));
  const dialog = showDialog("wc-copy", t("copy.title"), h("h2", {}, t("copy.title")), h("p", {}, t("copy.hint", { keys: isMac ? "⌘C" : "Ctrl+C" })), box, close);
  box.focus();
  box.select();
}

// The button says for a moment that it was done: with its icon, or else with `words`.
/** @param {HTMLElement} button @param {string} words */
export function showCopied(button, words) {
  const glyph = button.querySelector("svg");
  const label = (button.dataset.words ??= button.textContent); // also when it is pressed twice
  if (glyph) glyph.replaceWith(icon("check"));
  else button.textContent = words;
  button.classList.add("wc-did");
  setTimeout(() => {
    button.classList.remove("wc-did");
    if (glyph) button.querySelector("svg")?.replaceWith(icon("copy"));
    else button.textContent = label;
  }, COPIED_SHOWN);
}
