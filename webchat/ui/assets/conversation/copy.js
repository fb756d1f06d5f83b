// Puts words on the clipboard, and says so on the button that was pressed.

import { icon } from "./icons.js";

const SHOWN = 1600; // ms

/** navigator.clipboard exists on secure origins only. */
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const box = Object.assign(document.createElement("textarea"), { value: text });
  box.style.cssText = "position:fixed;opacity:0";
  (document.querySelector("dialog[open]") ?? document.body).append(box); // what is behind a dialog takes no selection
  box.select();
  const done = document.execCommand("copy");
  box.remove();
  if (!done) throw new Error("not allowed");
}

/** The button says for a moment that it was done: with its icon, or else with `words`. */
export function showCopied(button, words) {
  const glyph = button.querySelector("svg");
  const label = button.textContent;
  if (glyph) glyph.replaceWith(icon("check"));
  else button.textContent = words;
  button.classList.add("wc-did");
  setTimeout(() => {
    button.classList.remove("wc-did");
    if (glyph) button.querySelector("svg")?.replaceWith(icon("copy"));
    else button.textContent = label;
  }, SHOWN);
}
