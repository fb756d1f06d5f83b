// What a press says of two replies side by side. Without a document, so that it can be tested by itself.

/** @import { VoteBody } from "../types.js" */
/** @typedef {"left" | "right"} SideName */
/** @typedef {SideName | "tie" | "good" | "bad"} Choice */
/** @typedef {Record<SideName, boolean | null>} Marks what is thought of each side by itself */

/** The keys of the choices, as they are shown. */
export const KEYS = /** @type {const} */ ({ left: "A", tie: "=", right: "B", good: "+", bad: "−" });

/** @type {Record<string, Choice>} */
const CHOICES = { a: "left", b: "right", "=": "tie", "+": "good", "-": "bad", "−": "bad" };

/** Whether a link asks for comparisons, and enough of its limits is left for two replies. */
/** @param {{ asks: readonly string[], left: { messages: number | null, tokens: number | null } }} link */
export const comparesOn = ({ asks, left }) => asks.includes("compare") && (left.messages ?? 2) >= 2 && (left.tokens ?? 2) >= 2;

/** The choice that a key stands for; null for any other key, and for one pressed with another. */
/** @param {{ key: string, ctrlKey?: boolean, metaKey?: boolean, altKey?: boolean, isComposing?: boolean }} event @returns {Choice | null} */
export function choiceOf({ key, ctrlKey, metaKey, altKey, isComposing }) {
  if (ctrlKey || metaKey || altKey || isComposing) return null;
  return CHOICES[key.toLowerCase()] ?? null;
}

/** "Both good" and "both bad" are ties that say more. */
/** @param {Choice} choice @param {Marks} marks @param {string} comment @returns {VoteBody} */
export function voteOf(choice, marks, comment) {
  if (choice === "good" || choice === "bad") {
    const good = choice === "good";
    return { preferred: "tie", left_good: good, right_good: good, comment };
  }
  return { preferred: choice, left_good: marks.left, right_good: marks.right, comment };
}

/** A mark that is pressed again is taken back. */
/** @param {Marks} marks @param {SideName} side @param {boolean} good @returns {Marks} */
export function marked(marks, side, good) {
  return { ...marks, [side]: marks[side] === good ? null : good };
}

/** Which side is shown in a row that scrolls sideways. Negative positions are those of right-to-left pages. */
/** @param {{ scrollLeft: number, clientWidth: number }} row @returns {SideName} */
export const sideAt = ({ scrollLeft, clientWidth }) => (Math.abs(scrollLeft) > clientWidth / 2 ? "right" : "left");
