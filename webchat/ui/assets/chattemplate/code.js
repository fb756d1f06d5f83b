// A box for code: numbered lines, long ones wrapped, and the template's own words in a colour. What is written stands in
// a textarea; under it lies the same text in lines, which give the numbers and the colours.

import { h } from "../dom.js";

const WORDS = /\{#[\s\S]*?#\}|\{%[\s\S]*?%\}|\{\{[\s\S]*?\}\}/g;
/** @type {Record<string, string>} */
const KIND = { "{#": "wc-code-remark", "{%": "wc-code-word", "{{": "wc-code-value" };

// onInput(): something was written.
/** @param {string} label @param {() => void} onInput */
export function codeBox(label, onInput) {
  const lines = h("div", { class: "wc-code-lines", "aria-hidden": "true" });
  const area = h("textarea", { class: "wc-code-area", spellcheck: "false", autocapitalize: "off", autocomplete: "off", autocorrect: "off", "aria-label": label });
  const element = h("div", { class: "wc-code-box" }, lines, area);
  /** @type {number | null} */
  let bad = null;
  const draw = () => {
    lines.replaceChildren(...colouredLines(area.value).map((nodes, index) => h("div", { class: index + 1 === bad ? "wc-code-bad" : "" }, nodes)));
    element.style.setProperty("--digits", String(Math.max(2, String(lines.childElementCount).length)));
  };
  area.addEventListener("input", () => {
    draw();
    onInput();
  });
  draw();
  return {
    element,
    area,
    get value() {
      return area.value;
    },
    set value(text) {
      area.value = text;
      draw();
    },
    /** The line, from 1, that a problem is in; null for none. @param {number | null} line */
    set bad(line) {
      if (bad === line) return;
      bad = line;
      area.setAttribute("aria-invalid", String(line !== null));
      draw();
    },
  };
}

// Of each line its nodes; a word of the template may go over several.
/** @param {string} text */
function colouredLines(text) {
  /** @type {(string | Node)[][]} */
  const lines = [[]];
  /** @param {string} piece @param {string} [kind] */
  const put = (piece, kind) =>
    piece.split("\n").forEach((part, index) => {
      if (index) lines.push([]);
      if (part) lines[lines.length - 1].push(kind ? h("span", { class: kind }, part) : part);
    });
  let at = 0;
  for (const found of text.matchAll(WORDS)) {
    put(text.slice(at, found.index));
    put(found[0], KIND[found[0].slice(0, 2)]);
    at = found.index + found[0].length;
  }
  put(text.slice(at));
  return lines;
}
