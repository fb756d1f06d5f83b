// What scripts add to the page of a share, which is complete without them: coloured code, and a button that copies it.

import { upgrade } from "./conversation/extras.js";

const SHOWN = 1600; // ms

const { copy = "", copied = "" } = document.getElementById("wc-share-script")?.dataset ?? {};

/** @param {Element} block */
function copyButton(block) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "wc-code-button", textContent: copy });
  button.addEventListener("click", async () => {
    const code = block.querySelector("code");
    if (!code) return;
    try {
      await navigator.clipboard.writeText(code.textContent.replace(/\n$/, ""));
    } catch {
      // Not over plain http: selected, for its reader to copy.
      getSelection()?.selectAllChildren(code);
      return;
    }
    button.textContent = copied;
    setTimeout(() => (button.textContent = copy), SHOWN);
  });
  return button;
}

for (const block of document.querySelectorAll(".wc-share .wc-code")) {
  block.querySelector(".wc-code-bar")?.append(copyButton(block));
}
for (const article of document.querySelectorAll(".wc-share article")) upgrade(article, article);
