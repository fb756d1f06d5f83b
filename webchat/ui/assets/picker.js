// The model picker: a button, and under it a list of the models with what each of them is.

import { api } from "./api.js";
import { bus } from "./bus.js";
import { connection } from "./connection.js";
import { roughly } from "./conversation/format.js";
import { icon } from "./conversation/icons.js";
import { h, the } from "./dom.js";
import { errorLine, language, t } from "./i18n.js";
import { settings } from "./settings.js";
import { toast } from "./toast.js";

/** @import { Model } from "./types.js" */

const SEARCH_FROM = 8; // models; fewer are seen at a glance
const TYPE_AHEAD = 700; // ms between letters of one word
const touch = matchMedia("(hover: none) and (pointer: coarse)");

/** @type {HTMLButtonElement} */
let button;
/** @type {HTMLInputElement} */
let field;
/** @type {HTMLElement | null} */
let panel = null;
/** @type {HTMLElement} */
let list;
/** @type {HTMLInputElement | null} */
let search = null;
let early = false; // opened before it was known what belongs into the panel
/** @type {string | null} key of the model that the keys are on */
let active = null;
let typed = { text: "", at: 0 };

/** @param {HTMLElement} element */
export function mountPicker(element) {
  button = h("button", { type: "button", class: "wc-picker-button", "aria-haspopup": "listbox", "aria-expanded": "false", onclick: toggle });
  field = h("input", { type: "hidden", name: "model" }); // what is chosen, for scripts and extensions: the button's words say more
  element.replaceChildren(h("div", { id: "wc-picker" }, button, field));
  button.addEventListener("keydown", onButtonKey);
  for (const event of /** @type {const} */ (["me", "models", "settings"])) bus.on(event, refresh);
  bus.on("open", () => close());
  refresh();
}

function refresh() {
  const info = settings.info;
  the("#wc-picker").hidden = connection.link !== null && settings.models.length < 2; // nothing to choose
  const words = info ? nameOf(info) : t(settings.model ? "picker.asking" : "picker.none");
  const note = info && !info.unlisted && ["loading", "failed", "unfit"].includes(info.status) ? statusOf(info) : "";
  field.value = info?.name ?? "";
  const shown = h("span", { class: "wc-picker-name wc-one-line" }, words);
  const label = `${t("picker.label")}: ${[words, note].filter(Boolean).join(", ")}`;
  if (button.getAttribute("aria-label") !== label || !button.firstChild) {
    button.setAttribute("aria-label", label);
    button.title = words;
    button.replaceChildren(shown, ...(note ? [h("span", { class: "wc-picker-state wc-one-line" }, note)] : []), icon("chevron"));
  }
  if (!panel) return;
  if (early && known()) reopen();
  else draw();
}

// --- what is said of a model ----------------------------------------------------------------------------------

// An endpoint that has not named its models yet has an address, and no model has that for a name.
/** @param {Model} model */
function nameOf({ name, unlisted, failure }) {
  if (!unlisted) return name;
  return t(failure ? "picker.none" : "picker.asking");
}

/** @param {Model} model */
function statusOf({ status, progress, failure, missing, load_seconds: seconds }) {
  if (missing) return t("picker.missing");
  switch (status) {
    case "loading":
      if (!progress?.total || !progress.done) return t("picker.loading");
      return t("picker.loading_percent", { percent: Math.floor((100 * progress.done) / progress.total) });
    case "failed":
      return t("picker.failed");
    case "unfit":
      return t("picker.unfit", failure?.params);
    case "ready":
      return t("picker.loaded");
    default:
      return seconds ? t("picker.loads", { time: roughly(seconds, t) }) : t("picker.unloaded");
  }
}

/** @param {Model} info */
function facts(info) {
  const { status, in_process: here, remote, context_length: window, source, unlisted } = info;
  // Whether a model elsewhere is loaded is its server's business.
  const state = here || status === "failed" || status === "loading" ? statusOf(info) : "";
  return [
    unlisted ? source : "",
    window ? t("picker.context", { count: tokens(window) }) : "",
    unlisted || connection.link?.blind ? "" : t(here ? "picker.here" : remote ? "picker.remote" : "picker.network"),
    state,
  ].filter(Boolean);
}

// As models are spoken of: 8192 is 8k, 131072 and 128000 are 128k, 1048576 is 1M.
/** @param {number} count */
function tokens(count) {
  if (count < 1000) return count.toLocaleString(language);
  const step = count % 1000 !== 0 && count % 1024 === 0 ? 1024 : 1000;
  const [value, unit] = count < step ** 2 ? [count / step, "k"] : [count / step ** 2, "M"];
  return `${value.toLocaleString(language, { maximumFractionDigits: value < 10 ? 1 : 0 })}${unit}`;
}

// --- the list -------------------------------------------------------------------------------------------------

function toggle() {
  if (panel) close();
  else open();
}

function open() {
  early = !known();
  active = settings.model;
  typed.text = "";
  list = h("div", { class: "wc-picker-list", id: "wc-picker-list", role: "listbox", tabindex: "0", "aria-label": t("picker.label"), onclick: onPress });
  search = settings.models.length < SEARCH_FROM ? null : searchBox();
  panel = h("div", { class: "wc-picker-panel wc-panel" }, search, list, h("p", { class: "wc-picker-nothing", role: "status" }), renewal());
  bus.emit("picker"); // somebody looks: a list that is not fresh is asked for anew
  panel.addEventListener("keydown", onKey);
  document.body.append(panel);
  button.setAttribute("aria-expanded", "true");
  draw();
  place();
  (search && !touch.matches ? search : list).focus({ preventScroll: true });
  document.addEventListener("pointerdown", onOutside, true);
  addEventListener("resize", onResize);
}

const onResize = () => close();

const known = () => Boolean(connection.me.owner && settings.models.length);

function reopen() {
  close();
  open();
}

function close({ refocus = false } = {}) {
  if (!panel) return;
  panel.remove();
  panel = null;
  button.setAttribute("aria-expanded", "false");
  document.removeEventListener("pointerdown", onOutside, true);
  removeEventListener("resize", onResize);
  if (refocus) button.focus({ preventScroll: true });
}

// Operators ask all endpoints anew, at once.
function renewal() {
  if (!connection.me?.operates || !settings.models.some(({ kind }) => kind === "openai")) return null;
  const words = h("span", { "aria-live": "polite" }, t("picker.renew")); // a status would not name the button
  let asking = false; // not disabled meanwhile, which would take the keys from it
  async function renew() {
    if (asking) return;
    asking = true;
    words.textContent = t("picker.renewing");
    try {
      settings.setModels(await api.post("api/models/retry", {}));
    } catch (error) {
      toast(errorLine(error), { kind: "error" });
    }
    asking = false;
    words.textContent = t("picker.renew");
  }
  return h("button", { type: "button", class: "wc-picker-renew", onclick: renew }, icon("retry"), words);
}

function searchBox() {
  return h("input", {
    class: "wc-picker-search",
    type: "search",
    role: "combobox",
    autocomplete: "off",
    spellcheck: "false",
    "aria-label": t("picker.search"),
    "aria-autocomplete": "list",
    "aria-expanded": "true",
    "aria-controls": "wc-picker-list",
    placeholder: t("picker.search"),
    oninput: () => {
      active = found()[0]?.key ?? null;
      draw();
    },
  });
}

function found() {
  const words = (search?.value ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  return settings.models.filter((info) => words.every((word) => `${nameOf(info)} ${info.name}`.toLowerCase().includes(word)));
}

function draw() {
  const infos = found();
  if (!infos.some(({ key }) => key === active)) active = infos[0]?.key ?? null;
  list.replaceChildren(...infos.map(option));
  list.hidden = !infos.length;
  if (panel) the(".wc-picker-nothing", panel).textContent = infos.length ? "" : t("picker.no_match");
  mark();
}

/** @param {Model} info @param {number} index */
function option(info, index) {
  const chosen = info.key === settings.model;
  const about = facts(info).join(" · ");
  return h(
    "div",
    { class: "wc-picker-option", role: "option", id: `wc-model-${index}`, "data-key": info.key, "aria-selected": String(chosen), title: nameOf(info) },
    h("span", { class: "wc-picker-text" }, h("span", { class: "wc-picker-name wc-one-line" }, nameOf(info)), about ? h("span", { class: "wc-picker-about" }, about) : null),
    h("span", { class: "wc-check" }, chosen ? icon("check") : null),
  );
}

function mark() {
  const options = [...list.querySelectorAll("[role=option]")];
  const at = options.find((one) => one.dataset.key === active);
  for (const one of options) one.classList.toggle("wc-active", one === at);
  for (const element of [list, search]) {
    if (at) element?.setAttribute("aria-activedescendant", at.id);
    else element?.removeAttribute("aria-activedescendant");
  }
  at?.scrollIntoView({ block: "nearest" });
}

function place() {
  if (!panel) return;
  const { left, bottom } = button.getBoundingClientRect();
  panel.style.top = `${bottom + 4}px`;
  panel.style.maxHeight = `${innerHeight - bottom - 16}px`;
  panel.style.left = `${Math.max(12, Math.min(left, innerWidth - panel.offsetWidth - 12))}px`;
}

/** @param {string} key */
function choose(key) {
  close({ refocus: true });
  void settings.choose(key);
}

/** @param {MouseEvent} event */
function onPress(event) {
  const key = /** @type {Element} */ (event.target).closest("[role=option]")?.dataset.key;
  if (key) choose(key);
}

/** @param {PointerEvent} event */
function onOutside(event) {
  const pressed = /** @type {Node} */ (event.target);
  if (!panel?.contains(pressed) && !button.contains(pressed)) close();
}

// --- keys -----------------------------------------------------------------------------------------------------

/** @param {KeyboardEvent} event */
function onButtonKey(event) {
  if (panel || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
  event.preventDefault();
  open();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.isComposing) return;
  const renew = panel?.querySelector(".wc-picker-renew");
  const onRenew = document.activeElement === renew;
  if (onRenew && !["Escape", "Tab"].includes(event.key)) return;
  const keys = found().map(({ key }) => key);
  const at = keys.findIndex((key) => key === active);
  const inSearch = document.activeElement === search;
  /** @type {Record<string, number>} */
  const steps = { ArrowDown: at + 1, ArrowUp: at - 1, ...(inSearch ? {} : { Home: 0, End: keys.length - 1 }) };
  if (event.key in steps) {
    active = keys[Math.max(0, Math.min(keys.length - 1, steps[event.key]))] ?? null;
    mark();
  } else if (event.key === "Enter" || (event.key === " " && !inSearch)) {
    if (active !== null) choose(active);
  } else if (event.key === "Escape") {
    close({ refocus: true });
  } else if (event.key === "Tab" && renew && onRenew === event.shiftKey) {
    (onRenew ? list : renew).focus();
  } else if (event.key === "Tab") {
    close({ refocus: true });
    return; // to what comes after the button
  } else if (!inSearch && event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) {
    typeAhead(event);
    return;
  } else return;
  event.preventDefault();
  event.stopPropagation();
}

// Letters go to the search; without one, to the next model that begins with them.
/** @param {KeyboardEvent} event */
function typeAhead(event) {
  if (search) return search.focus();
  event.preventDefault();
  const now = performance.now();
  typed = { text: (now - typed.at < TYPE_AHEAD ? typed.text : "") + event.key.toLowerCase(), at: now };
  const { models } = settings;
  const from = models.findIndex(({ key }) => key === active) + (typed.text.length === 1 ? 1 : 0);
  const next = [...models.slice(from), ...models.slice(0, from)].find(({ name }) => name.toLowerCase().startsWith(typed.text));
  if (!next) return;
  active = next.key;
  mark();
}
