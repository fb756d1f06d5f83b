// A surface of nearly the whole window for what needs room: a library, a log, what a model was sent.

import { giveCursor, h, iconButton } from "./dom.js";
import { t } from "./i18n.js";

/** @import { Child } from "./dom.js" */

// body: an element. actions: what stands beside the title. Escape and the cross close it; the focus returns.
// mayClose: asked before; `false` keeps it open (words that are not saved).
/** @param {string} name @param {{ title: string, body: Node | Node[], actions?: Child[], onClose?: () => void, mayClose?: () => boolean | void }} options */
export function openSheet(name, { title, body, actions = [], onClose, mayClose = () => true }) {
  const before = document.activeElement;
  const heading = h("h2", { id: `wc-${name}-title` }, title);
  const content = h("div", { class: "wc-sheet-body" }, body);
  const dialog = h(
    "dialog",
    { class: `wc-dialog wc-panel wc-sheet wc-${name}`, "aria-labelledby": heading.id },
    h("div", { class: "wc-dialog-head" }, heading, h("div", { class: "wc-sheet-actions" }, actions), iconButton("close", t("app.close"), () => close())),
    content,
  );
  const close = () => mayClose() && dialog.close();
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    close();
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    onClose?.();
    if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    giveCursor(before);
  });
  document.body.append(dialog);
  dialog.showModal();
  return { dialog, body: content, close, setTitle: (/** @type {string} */ words) => (heading.textContent = words) };
}

let fields = 0;

// A labelled control of a form. hint: below it; problem: set with `setProblem`.
/** @param {string | Node} label @param {HTMLElement} control @param {string} [hint] */
export function field(label, control, hint = "") {
  const id = control.id || (control.id = `wc-f-${(fields += 1)}`);
  const note = h("p", { class: "wc-field-hint", id: `${id}-hint` }, hint);
  control.setAttribute("aria-describedby", note.id);
  return h("div", { class: "wc-field" }, h("label", { for: id }, label), control, note);
}

/** @param {HTMLElement} control @param {string} words */
export function setProblem(control, words) {
  const note = document.getElementById(`${control.id}-hint`);
  if (!note) return;
  control.setAttribute("aria-invalid", String(Boolean(words)));
  note.dataset.hint ??= note.textContent;
  note.textContent = words || (note.dataset.hint ?? "");
  note.classList.toggle("wc-danger", Boolean(words));
}
