// What is dropped on the page, pasted or typed into it. Files cannot be attached yet: text goes into the message box as text,
// everything else is refused in words. Nothing is cut, and nothing in a box is lost.

import { composer } from "./composer.js";
import { connection } from "./connection.js";
import { textOf } from "./filetext.js";
import { listed, t } from "./i18n.js";
import { toast } from "./toast.js";

/** @typedef {HTMLInputElement | HTMLTextAreaElement} Box */

const INSERTS = new Set(["insertFromPaste", "insertFromDrop", "insertFromYank", "insertFromPasteAsQuotation", "insertReplacementText"]);
const EDITABLE = "textarea, input, [contenteditable]";

export function mountFiles() {
  // On the window, after everybody else: a part that takes files itself has prevented the default by then.
  window.addEventListener("dragover", onDrag);
  window.addEventListener("dragleave", (event) => event.relatedTarget ?? dropping(false));
  window.addEventListener("drop", onDrop);
  window.addEventListener("paste", onPaste);
  window.addEventListener("beforeinput", onInsert);
  window.addEventListener("compositionend", () => (composed = 0));
}

/** @param {boolean} on */
const dropping = (on) => document.documentElement.classList.toggle("wc-dropping", on);
const inDialog = () => document.querySelector("dialog[open]") !== null;
const limit = () => connection.me.limits?.message_chars ?? 100_000; // until the server has said

const editable = (/** @type {Event} */ event) => event.target instanceof Element && event.target.closest(EDITABLE);

// A browser opens a file or an address that a page does not take, in the place of the page.
/** @param {DragEvent} event */
function onDrag(event) {
  if (event.defaultPrevented) return;
  const { dataTransfer: data } = event;
  if (!data) return;
  const files = data.types.includes("Files");
  if (!files && (editable(event) || !data.types.includes("text/uri-list"))) return;
  event.preventDefault();
  data.dropEffect = files ? "copy" : "none";
  dropping(files && !inDialog());
}

/** @param {DragEvent} event */
function onDrop(event) {
  dropping(false);
  if (event.defaultPrevented || !event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  take([...event.dataTransfer.files]);
}

// An image copied from a document comes with its text, which is what is meant.
/** @param {ClipboardEvent} event */
function onPaste(event) {
  const { files, types } = event.clipboardData ?? {};
  if (event.defaultPrevented || !files?.length || types?.includes("text/plain")) return;
  event.preventDefault();
  take([...files], Boolean(editable(event)) && event.target !== composer.text);
}

/** @param {File[]} files @param {boolean} [elsewhere] */
async function take(files, elsewhere = false) {
  if (inDialog() || elsewhere) return toast(t("files.not_here"), { kind: "error" });
  /** @type {string[]} */
  const refused = [];
  for (const file of files) {
    const text = await textOf(file, limit());
    if (text === null) refused.push(file.name);
    else insert(file.name, text);
  }
  if (refused.length) toast(t("files.unsupported", { names: listed(refused.map((name) => t("files.name", { name }))) }), { kind: "error" });
}

// Behind the cursor, in a paragraph of its own.
/** @param {string} name @param {string} text */
function insert(name, text) {
  const box = composer.text;
  const at = box.selectionEnd;
  const [before, after] = [box.value.slice(0, at), box.value.slice(at)];
  const start = before && !before.endsWith("\n") ? `${before}\n\n${text}` : before + text;
  const words = after && !after.startsWith("\n") && !start.endsWith("\n") ? `${start}\n\n${after}` : start + after;
  if ([...words].length > limit()) return toast(t("files.too_long", { name, limit: limit() }), { kind: "error" });
  box.value = words;
  box.dispatchEvent(new Event("input", { bubbles: true }));
  box.focus();
  box.setSelectionRange(start.length, start.length);
  toast(t("files.added", { name }));
}

let composed = 0; // characters of the box that an input method may still replace

// A box with a longest length cuts what is pasted, dropped or typed without a word.
/** @param {InputEvent} event */
function onInsert(event) {
  const box = /** @type {Box} */ (event.target);
  if (event.defaultPrevented || !event.inputType.startsWith("insert") || !(box.maxLength >= 0)) return;
  const inserted = (event.data ?? event.dataTransfer?.getData("text/plain") ?? "").replace(/\r\n?/g, "\n");
  const replaced = event.isComposing ? composed : (box.selectionEnd ?? 0) - (box.selectionStart ?? 0);
  const room = box.maxLength - box.value.length + replaced;
  if (event.isComposing) composed = inserted.length;
  if (inserted.length <= room && !(room === 0 && event.inputType === "insertLineBreak")) return;
  if (INSERTS.has(event.inputType)) tooLong(event, box, inserted, room);
  else full(box);
}

// Nothing of it is in the box; whoever wants its beginning can have that.
/** @param {InputEvent} event @param {Box} box @param {string} inserted @param {number} room */
function tooLong(event, box, inserted, room) {
  event.preventDefault();
  const count = box.maxLength - room + inserted.length;
  const beginning = inserted.slice(0, room).replace(/[\ud800-\udbff]$/, "");
  const action = beginning === "" ? undefined : { label: t("files.paste_beginning", { count: beginning.length }), onclick: () => put(box, beginning) };
  toast(t("files.paste_too_long", { count, limit: box === composer.text ? limit() : box.maxLength }), { kind: "error", action, seconds: 20 });
}

// Where the selection is, as if it had been typed, so that it can be undone.
/** @param {Box} box @param {string} text */
function put(box, text) {
  box.focus();
  document.execCommand("insertText", false, text);
}

/** @type {Box | null} */
let told = null; // the box that was said to be full last

/** @param {Box} box */
function full(box) {
  if (told === box) return;
  told = box;
  box.addEventListener("input", () => (told = null), { once: true });
  toast(t("files.box_full", { limit: box.maxLength }), { kind: "error" });
}
