// Short notices at the edge of the page, read out politely. One action at most; hovering keeps them.

import { h, iconButton } from "./dom.js";
import { t } from "./i18n.js";

const region = h("div", { class: "wc-toasts", role: "status", "aria-live": "polite" });

// toast("Chat deleted.", {action: {label: "Undo", onclick}, kind: "error", seconds: 8}) -> a function that takes it away
export function toast(text, { action, kind = "info", seconds } = {}) {
  stand();
  const close = () => item.remove();
  const button = action && h("button", { type: "button", class: "wc-toast-action", onclick: () => (close(), (action.onclick ?? action.onClick)()) }, action.label);
  const item = h("div", { class: `wc-toast wc-toast-${kind}` }, h("span", {}, text), button, iconButton("close", t("app.close"), close));
  region.append(item);
  while (region.childElementCount > 3) region.firstElementChild.remove();
  let timer;
  const start = () => (timer = setTimeout(close, 1000 * (seconds ?? (kind === "error" || action ? 8 : 4))));
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
