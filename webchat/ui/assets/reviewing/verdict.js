// What a press says of an item that is reviewed. Without a document, so that it can be tested by itself.

/** @import { Verdict } from "../types.js" */
/** @typedef {"replies" | "comparisons"} Kind */
/** @typedef {readonly [verdict: Verdict, key: string]} Choice */

/** What can be said of each kind, and by which key, in the order of the buttons. */
export const CHOICES = /** @type {Record<Kind, readonly Choice[]>} */ ({
  replies: [["accept", "A"], ["reject", "B"], ["edit", "E"], ["skip", "S"]],
  comparisons: [["left", "A"], ["tie", "E"], ["right", "B"], ["skip", "S"]],
});

/** The verdict that a key stands for; null for any other key, and for one pressed with another. */
/** @param {Kind} kind @param {{ key: string, ctrlKey?: boolean, metaKey?: boolean, altKey?: boolean, isComposing?: boolean, repeat?: boolean }} event @returns {Verdict | null} */
export function verdictOf(kind, { key, ctrlKey, metaKey, altKey, isComposing, repeat }) {
  if (ctrlKey || metaKey || altKey || isComposing || repeat) return null;
  return CHOICES[kind].find(([, one]) => one === key.toUpperCase())?.[0] ?? null;
}

/** Whether a key takes the last review back: Z, alone or as everywhere else. */
/** @param {{ key: string, altKey?: boolean, shiftKey?: boolean, isComposing?: boolean, repeat?: boolean }} event */
export const undoes = ({ key, altKey, shiftKey, isComposing, repeat }) => key.toUpperCase() === "Z" && !(altKey || shiftKey || isComposing || repeat);

/** How many of the first messages are folded: the last question is always shown. */
/** @param {number} messages */
export const folded = (messages) => (messages > 3 ? messages - 1 : 0);
