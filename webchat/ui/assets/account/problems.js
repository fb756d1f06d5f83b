// What is wrong with a new password and beside which box it is said, and what helps against an ended session. Without a
// document, so that it can be tested by itself.

/** @import { Failure, Me } from "../types.js" */
/** @typedef {"current" | "next" | "repeated"} Name */

/** @type {(string | undefined)[]} */
const ENDED = ["signed_out", "no_owner"]; // what a request is refused with once its session has ended

// Whether signing in again gives the page back to somebody whose requests are refused with `error`.
/** @param {Failure} error @param {Partial<Me>} me */
export function canSignInAgain(error, me) {
  return ENDED.includes(error.code) && Boolean(me.sign_in);
}

// The first thing to mend before the server is asked; null when there is none.
/** @param {Record<Name, string>} words @returns {{ name: Name, key: string } | null} */
export function missing({ current, next, repeated }) {
  if (!current) return { name: "current", key: "account.current_needed" };
  if (!next) return { name: "next", key: "account.new_needed" };
  if (next !== repeated) return { name: "repeated", key: "account.differ" };
  return null;
}

// The box that a refusal of the server's is about; null when it is about none.
/** @param {Failure} failure @returns {Name | null} */
export function fieldOf({ code }) {
  if (code === "password_wrong" || code === "password_delayed") return "current";
  return code.startsWith("password_") ? "next" : null;
}
