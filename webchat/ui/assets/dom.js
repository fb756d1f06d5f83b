// Elements, icons and the popover menu: what every part draws with.

/** @typedef {string | number | Node | false | null | undefined} Child */
/** @typedef {{ [K in keyof GlobalEventHandlersEventMap as `on${K}`]?: (event: any) => void } & { [name: string]: unknown }} Attributes */
/** @typedef {keyof typeof PATHS} IconName */
/** @typedef {{ label: string, icon?: IconName, onclick: () => unknown, danger?: boolean, checked?: boolean }} Command */
/** @typedef {Command | { heading: string } | "-"} MenuItem */

// h("button", {class: "x", onclick: f, "aria-label": "y"}, child, ...): text children are text, never markup.
/** @template {keyof HTMLElementTagNameMap} Tag @param {Tag} tag @param {Attributes} [attributes] @param {...(Child | Child[])} children @returns {HTMLElementTagNameMap[Tag]} */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat()) if (child !== null && child !== undefined && child !== false) element.append(child instanceof Node ? child : String(child));
  return element;
}

const PATHS = {
  sidebar: "M4 5h16v14H4zM9.5 5v14",
  compose: "M19 12v6a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2h6M10 14l.6-3 8-8 2.4 2.4-8 8z",
  search: "M11 5a6 6 0 1 1 0 12 6 6 0 0 1 0-12M15.5 15.5 20 20",
  more: "M5.5 12h.01M12 12h.01M18.5 12h.01",
  close: "M6 6l12 12M18 6 6 18",
  check: "M5 12.5l4.5 4.5L19 7.5",
  checks: "M2.5 12.5 7 17 15.5 7.5M12.5 16l1 1L22 7.5",
  pin: "M9 4h6l-.8 6L17 13v2H7v-2l2.8-3zM12 15v5",
  archive: "M4 5h16v4H4zM5.5 9v10h13V9M10 13h4",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.5 11v5M13.5 11v5",
  pencil: "M5 19l1-4L15.5 5.5l3 3L9 18zM13.5 7.5l3 3",
  sliders: "M4 8h8M17 8h3M14.5 8m-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0M4 16h3M12 16h8M9.5 16m-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0",
  download: "M12 4v11M7.5 11 12 15.5 16.5 11M5 19.5h14",
  back: "M15 5.5 8.5 12l6.5 6.5",
  settings: "M12 9.2a2.8 2.8 0 1 1 0 5.6 2.8 2.8 0 0 1 0-5.6M12 3.5v2.5M12 18v2.5M3.5 12H6M18 12h2.5M6 6l1.8 1.8M16.2 16.2 18 18M18 6l-1.8 1.8M7.8 16.2 6 18",
  keyboard: "M3.5 7h17v10h-17zM7 10.5h.01M10.5 10.5h.01M14 10.5h.01M17 10.5h.01M8 14h8",
  globe: "M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16M4 12h16M12 4c3 2.5 3 13.5 0 16M12 4c-3 2.5-3 13.5 0 16",
  moon: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z",
  sun: "M12 8.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7M12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1 1M17.4 17.4l1 1M18.4 5.6l-1 1M6.6 17.4l-1 1",
  screen: "M4 5h16v11H4zM9 20h6M12 16v4",
  again: "M19 8a7.5 7.5 0 0 0-13.6-.6M5 3.8v3.8h3.8M5 16a7.5 7.5 0 0 0 13.6.6M19 20.2v-3.8h-3.8",
  continue: "M5 7h14M5 12h8M5 17h5M16 13.5l4 3.5-4 3.5",
  info: "M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16M12 11v5M12 8h.01",
  inspect: "M11 5a6 6 0 1 1 0 12 6 6 0 0 1 0-12M15.5 15.5 20 20M9.5 9 7.9 11l1.6 2M12.5 9l1.6 2-1.6 2",
  compare: "M4.5 5.5h6v13h-6zM13.5 5.5h6v13h-6z",
  template: "M6 4h12v16H6zM9 8.5h6M9 12h6M9 15.5h3.5",
  up: "M12 19V6M6.5 11.5 12 6l5.5 5.5",
  down: "M12 5v13M6.5 12.5 12 18l5.5-5.5",
  persona: "M12 4.5a3.6 3.6 0 1 1 0 7.2 3.6 3.6 0 0 1 0-7.2M5 19.5c.7-3.6 3.3-5.6 7-5.6s6.3 2 7 5.6",
  braces: "M9 5H7.5a2 2 0 0 0-2 2v3L4 12l1.5 2v3a2 2 0 0 0 2 2H9M15 5h1.5a2 2 0 0 1 2 2v3L20 12l-1.5 2v3a2 2 0 0 1-2 2H15M11 9.5h2M11 14.5h2",
  shield: "M12 4 5.5 6.5v5c0 4 2.7 6.9 6.5 8.5 3.8-1.6 6.5-4.5 6.5-8.5v-5zM9 12l2.2 2.2L15.2 10",
  lines: "M5 7h14M5 12h14M5 17h8",
  print: "M7.5 9V4.500h9V9M7.5 16.500H4.500V9h15v7.500h-3M7.5 13.500h9v6h-9z",
  chat: "M5 5.5h14v10h-8L7 19v-3.5H5z",
  phone: "M8 3.5h8a1 1 0 0 1 1 1v15a1 1 0 0 1-1 1H8a1 1 0 0 1-1-1v-15a1 1 0 0 1 1-1M11 17.5h2",
  share: "M12 15V4.5M8 8l4-3.5L16 8M6.5 11.5H5.5v8h13v-8h-1",
  leave: "M10 4.5H6.5a1 1 0 0 0-1 1v13a1 1 0 0 0 1 1H10M15.5 8l4 4-4 4M19.5 12H10",
  enter: "M14 4.5h3.5a1 1 0 0 1 1 1v13a1 1 0 0 1-1 1H14M9.5 8l4 4-4 4M13.5 12H4",
};

/** @param {IconName} name */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "wc-icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(svg.namespaceURI, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** @param {IconName} name @param {string} label @param {(event: MouseEvent) => void} onclick @param {Attributes} [attributes] */
export function iconButton(name, label, onclick, attributes = {}) {
  return h("button", { type: "button", class: "wc-icon-button", "aria-label": label, title: label, onclick, ...attributes }, icon(name));
}

/** @type {{ button: HTMLElement, menu: HTMLElement } | null} */
let openMenu = null;

// A menu under its button.
/** @param {HTMLElement} button @param {MenuItem[]} items @param {{ above?: boolean }} [options] */
export function toggleMenu(button, items, { above = false } = {}) {
  const again = openMenu?.button === button;
  closeMenu();
  if (again) return;
  const menu = h("div", { class: "wc-menu wc-panel", role: "menu", "aria-label": button.getAttribute("aria-label") }, items.map(menuItem));
  menu.addEventListener("keydown", onMenuKey);
  (button.closest("dialog") ?? document.body).append(menu); // outside of a modal dialog it could not be pressed
  place(menu, button, above);
  button.setAttribute("aria-expanded", "true");
  openMenu = { button, menu };
  document.addEventListener("pointerdown", onOutside, true);
  window.addEventListener("resize", () => closeMenu(), { once: true });
  menu.querySelector("[role^=menuitem]")?.focus();
}

export function closeMenu({ refocus = false } = {}) {
  if (!openMenu) return;
  const { button, menu } = openMenu;
  openMenu = null;
  menu.remove();
  button.setAttribute("aria-expanded", "false");
  document.removeEventListener("pointerdown", onOutside, true);
  if (refocus) button.focus();
}

/** @param {MenuItem} item */
function menuItem(item) {
  if (item === "-") return h("hr", { role: "separator" });
  if ("heading" in item) return h("div", { class: "wc-menu-heading", role: "presentation" }, item.heading);
  const attributes = {
    type: "button",
    tabindex: "-1",
    role: item.checked === undefined ? "menuitem" : "menuitemradio",
    "aria-checked": item.checked === undefined ? undefined : String(item.checked),
    class: item.danger ? "wc-danger" : undefined,
    onclick: () => {
      closeMenu({ refocus: true });
      item.onclick();
    },
  };
  const mark = item.checked === undefined ? null : h("span", { class: "wc-check" }, item.checked ? icon("check") : "");
  return h("button", attributes, item.icon ? icon(item.icon) : null, h("span", { class: "wc-menu-label" }, item.label), mark);
}

/** @param {KeyboardEvent} event */
function onMenuKey(event) {
  const items = [.../** @type {HTMLElement} */ (event.currentTarget).querySelectorAll("[role^=menuitem]")];
  const at = items.findIndex((item) => item === document.activeElement);
  const step = new Map([["ArrowDown", at + 1], ["ArrowUp", at - 1], ["Home", 0], ["End", items.length - 1]]).get(event.key);
  if (step !== undefined) items.at(step % items.length)?.focus();
  else if (event.key === "Escape" || event.key === "Tab") closeMenu({ refocus: true });
  else return;
  event.preventDefault();
  event.stopPropagation();
}

/** @param {PointerEvent} event */
function onOutside(event) {
  const { menu, button } = openMenu ?? {};
  const pressed = /** @type {Node} */ (event.target);
  if (!menu?.contains(pressed) && !button?.contains(pressed)) closeMenu();
}

/** @param {HTMLElement} menu @param {HTMLElement} button @param {boolean} above */
function place(menu, button, above) {
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const [over, below] = [at.top - height - 4, at.bottom + 4];
  const up = above ? over >= 8 : below + height > innerHeight - 8;
  menu.style.left = `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`;
  menu.style.top = `${Math.max(8, Math.min(up ? over : below, innerHeight - height - 8))}px`;
}

// A box beside its button, until Escape or a press elsewhere. above: where there is room for it.
/** @param {HTMLElement} button @param {HTMLElement} box @param {{ above?: boolean, onClose?: () => void }} [options] */
export function showPopover(button, box, { above = false, onClose } = {}) {
  document.body.append(box);
  box.addEventListener("toggle", (event) => {
    if (event.newState !== "closed") return;
    onClose?.();
    if (box.contains(document.activeElement) || document.activeElement === document.body) button.focus({ preventScroll: true });
    box.remove();
  });
  box.showPopover();
  place(box, button, above);
  box.focus({ preventScroll: true });
}

// A modal dialog that goes when it is closed; the browser keeps the focus inside and gives it back.
/** @param {string} className @param {string} label @param {...(Child | Child[])} children */
export function showDialog(className, label, ...children) {
  const dialog = h("dialog", { class: `wc-dialog wc-panel ${className}`, "aria-label": label }, ...children);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    giveCursor(document.activeElement);
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

// A box that got the focus back from a dialog has no cursor in Chromium: what is typed would be lost.
/** @param {Element | null} box */
export function giveCursor(box) {
  if (!(box instanceof HTMLInputElement || box instanceof HTMLTextAreaElement)) return;
  box.blur();
  box.focus({ preventScroll: true });
}

// The element that a selector names, which is there.
/** @template {string} S @param {S} selector @param {ParentNode} [root] */
export function the(selector, root = document) {
  const found = root.querySelector(selector);
  if (!found) throw new Error(`no ${selector}`);
  return found;
}

export const isMac = /Mac|iPhone|iPad/.test(navigator.platform);

// The key that goes with shortcuts here: Command on Apple's machines, Control elsewhere.
/** @param {KeyboardEvent | MouseEvent} event */
export function command(event) {
  return (isMac ? event.metaKey : event.ctrlKey) && !event.altKey;
}
