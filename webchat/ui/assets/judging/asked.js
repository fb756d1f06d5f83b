// What a person is asked about replies: all of it, or what the link says that they came by.

/** @import { GuestLink } from "../types.js" */

const GOOD = ["accurate", "followed_instructions", "style", "helpful"];
const BAD = ["inaccurate", "ignored_instructions", "style_bad", "refused_wrongly", "unsafe", "language", "other"];

/** @param {Pick<GuestLink, "asks"> | null} link */
export function asked(link) {
  const asks = (/** @type {GuestLink["asks"][number]} */ name) => !link || link.asks.includes(name);
  return { thumbs: asks("thumbs"), reasons: asks("tags"), comment: asks("thumbs") || asks("tags"), better: asks("better_answer") };
}

/** The link's own questions about each reply. */
/** @param {Pick<GuestLink, "questions"> | null} link */
export const questionsFor = (link) => link?.questions.filter(({ per_reply }) => per_reply) ?? [];

/** The reasons to offer with a rating: keys with a label of the page's, or the link's own words. */
/** @param {number} rating @param {Pick<GuestLink, "asks" | "reasons"> | null} link */
export function reasonsFor(rating, link) {
  if (!rating || !asked(link).reasons) return [];
  if (link?.reasons.length) return link.reasons;
  return rating > 0 ? GOOD : BAD;
}

/** Whether a reason is one of the keys that the page has a label for. */
/** @param {string} reason */
export const isKey = (reason) => GOOD.includes(reason) || BAD.includes(reason);
