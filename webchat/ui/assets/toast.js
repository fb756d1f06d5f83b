// Short notices at the edge of the page, read out politely. One action at most; hovering keeps them.

import { h, iconButton } from "./dom.js";
import { t } from "./i18n.js";

const MOST = 3;
/** @type {WeakMap<Element, () => void>} */
const starts = new WeakMap(); // notice -> what starts its time
const region = h("div", { class: "wc-toasts", role: "status", "aria-live": "polite" });

// toast("Chat deleted.", {action: {label: "Undo", onclick}, kind: "error", seconds: 8}) -> a function that takes it away
//
// The newest is on top of the others; their time goes on when it has gone.
/** @param {string} text @param {{ action?: { label: string, onclick: () => unknown }, kind?: "info" | "error", seconds?: number }} [options] */
export function toast(text, { action, kind = "info", seconds } = {}) {
  stand();
  const close = () => {
    clearTimeout(timer);
    item.remove();
    if (region.lastElementChild) starts.get(region.lastElementChild)?.();
  };
  const button = action && h("button", { type: "button", class: "wc-toast-action", onclick: () => (close(), action.onclick()) }, action.label);
  const item = h("div", { class: `wc-toast wc-toast-${kind}` }, h("span", {}, text), button, iconButton("close", t("app.close"), close));
  let timer = 0;
  const start = () => {
    clearTimeout(timer);
    timer = setTimeout(() => region.lastElementChild === item && close(), 1000 * (seconds ?? (kind === "error" || action ? 8 : 4)));
  };
  starts.set(item, start);
  region.append(item);
  while (region.childElementCount > MOST) region.firstElementChild?.remove();
  item.addEventListener("pointerenter", () => clearTimeout(timer));
  item.addEventListener("pointerleave", start);
  item.addEventListener("focusin", () => clearTimeout(timer));
  item.addEventListener("focusout", start);
  start();
  return close;
}

// A modal dialog takes the presses of everything outside it, so the notices stand in it while it is open.
function stand() {
  const place = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
  if (region.parentElement === place) return;
  place.append(region);
  place.addEventListener("close", () => document.body.append(region), { once: true });
}
