// The box in which a message is changed, in the place where it stands.

import { command, h } from "../dom.js";

/** @import { Translate } from "../types.js" */

/** editor({text, save, onInput(text), onSave(text), onCancel, t}) -> element; `save` names the button. focus: take it. */
/** @param {{ text: string, save: string, hint: string, focus?: boolean, onInput(words: string): void, onSave(words: string): void, onCancel(): void, t: Translate }} options */
export function editor({ text, save, hint, focus = true, onInput, onSave, onCancel, t }) {
  const box = h("textarea", { class: "wc-editor-text", rows: "1", dir: "auto", "aria-label": t("transcript.edit_label") });
  box.value = text;
  const submit = () => box.value.trim() && onSave(box.value);
  const saveButton = h("button", { type: "button", class: "wc-button wc-primary", onclick: submit }, save);
  const element = h(
    "div",
    { class: "wc-editor" },
    box,
    h(
      "div",
      { class: "wc-editor-bar" },
      h("span", { class: "wc-muted" }, hint),
      h("button", { type: "button", class: "wc-button", onclick: onCancel }, t("transcript.cancel")),
      saveButton,
    ),
  );
  const grow = () => {
    box.style.blockSize = "auto";
    box.style.blockSize = `${box.scrollHeight + 2}px`;
    saveButton.disabled = !box.value.trim();
  };
  box.addEventListener("input", () => {
    grow();
    onInput(box.value);
  });
  box.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Escape") onCancel();
    else if (event.key === "Enter" && command(event)) submit();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  requestAnimationFrame(() => {
    grow();
    if (!focus || document.activeElement === box) return; // its writer was faster
    box.focus();
    box.setSelectionRange(text.length, text.length);
  });
  return element;
}
