// What of the model's window the conversation takes, and from where on the model still reads it: a ring beside the
// note under the box, and a hairline in the transcript.

import { bus } from "../bus.js";
import { h } from "../dom.js";
import { t } from "../i18n.js";
import { settings } from "../settings.js";
import { style } from "../style.js";

/** @import { ShownMessage } from "../types.js" */
/** @import { Transcript } from "../transcript.js" */
/** @typedef {{ used: number, firstSent: string | null, leftOut: number | null }} Reading */

const NEAR = 0.8; // of the window: from here on the ring has a colour
const RADIUS = 6;
const ROUND = 2 * Math.PI * RADIUS;

/** From the newest reply that tells: tokens used, the oldest message that was sent, and how many before it were
 *  not (null when they are not all on the page). Null when no reply tells. */
/** @param {{ messages: ShownMessage[], older: string | null }} transcript @returns {Reading | null} */
export function reading({ messages, older }) {
  const reply = messages.findLast((message) => message.role === "assistant" && message.prompt_tokens);
  if (!reply) return null;
  const firstSent = reply.first_sent ?? null;
  const index = firstSent === null ? 0 : messages.findIndex((message) => message.id === firstSent);
  return {
    used: (reply.prompt_tokens ?? 0) + (reply.completion_tokens ?? 0),
    firstSent,
    leftOut: older || index < 0 ? null : index,
  };
}

// element: the composer's part. transcript: its `messages`, `older` and `views` are read whenever it shows.
/** @param {HTMLElement} element @param {Transcript} transcript */
export async function mountContext(element, transcript) {
  await style("context");
  const meter = makeMeter();
  const mark = makeMark();
  element.classList.add("wc-foot");
  element.append(meter.element);
  const update = () => {
    const now = reading(transcript);
    meter.show(now, settings.info?.context_length);
    mark.show(now, transcript);
  };
  for (const event of /** @type {const} */ (["shown", "models", "settings"])) bus.on(event, update);
  update();
}

/** @param {Reading} now */
function cutWords({ leftOut }) {
  if (!leftOut) return t("context.cut_some");
  return leftOut === 1 ? t("context.cut_one") : t("context.cut", { count: leftOut });
}

function makeMeter() {
  const fill = circle("wc-meter-fill");
  const ring = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  ring.setAttribute("viewBox", "0 0 16 16");
  ring.setAttribute("aria-hidden", "true");
  ring.append(circle("wc-meter-track"), fill);
  const cut = h("span", { class: "wc-meter-cut" });
  const tip = h("span", { class: "wc-meter-tip", "aria-hidden": "true" });
  const element = h("button", { type: "button", class: "wc-meter", hidden: true }, cut, ring, tip);
  return {
    element,
    /** @param {Reading | null} now @param {number | null} [length] */
    show(now, length) {
      element.hidden = !now || !length;
      if (!now || !length) return;
      const share = Math.min(1, now.used / length);
      fill.setAttribute("stroke-dasharray", `${share * ROUND} ${ROUND}`);
      const numbers = t("context.used", { count: now.used, limit: length });
      const said = now.firstSent === null ? "" : cutWords(now);
      tip.textContent = numbers;
      cut.textContent = said;
      element.setAttribute("aria-label", said ? `${numbers}. ${said}` : numbers);
      element.classList.toggle("wc-near", share >= NEAR || said !== "");
      element.classList.toggle("wc-cut", said !== "");
    },
  };
}

/** @param {string} name */
function circle(name) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "circle");
  for (const [key, value] of Object.entries({ class: name, cx: 8, cy: 8, r: RADIUS })) made.setAttribute(key, String(value));
  return made;
}

function makeMark() {
  const line = h("div", { class: "wc-unsent", role: "separator" }, h("span", {}, t("context.mark")));
  line.setAttribute("aria-label", t("context.mark"));
  return {
    /** @param {Reading | null} now @param {Transcript} transcript */
    show(now, { views, end }) {
      const element = now?.firstSent ? views.get(now.firstSent)?.element : null;
      if (!element) line.remove();
      else if (element.firstElementChild !== line) end.holding(element.lastElementChild, () => element.prepend(line));
    },
  };
}
