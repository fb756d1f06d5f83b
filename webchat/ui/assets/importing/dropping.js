// A file dropped on the list of chats is imported.

import { importAllowed } from "./allowed.js";

/** @param {HTMLElement} list @param {(file: File) => void} take */
export function mountDropping(list, take) {
  const over = (/** @type {boolean} */ on) => list.classList.toggle("wc-import-over", on);
  list.addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files") || !importAllowed()) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    over(true);
  });
  list.addEventListener("dragleave", (event) => list.contains(/** @type {Node | null} */ (event.relatedTarget)) || over(false));
  list.addEventListener("drop", (event) => {
    over(false);
    const [file] = event.dataTransfer?.files ?? [];
    if (!file || !importAllowed()) return;
    event.preventDefault();
    take(file);
  });
}
