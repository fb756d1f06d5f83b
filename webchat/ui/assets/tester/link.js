// What a tester's link allows and what of it is left, as sentences of the page. Without a document, so that it can be
// tested by itself.

/** @import { GuestLink, Words } from "../types.js" */
/** @typedef {{ key: string, params?: Words }} Sentence */

const FEW = { count: 5, share: 0.2 }; // messages, or tokens, that are said to be left

/** @param {string} key @param {number} count @returns {Sentence} */
const counted = (key, count) => ({ key, params: { count } });

// Whether the terms, as they are now, are accepted.
/** @param {GuestLink} link */
export const consents = ({ consent }) => !consent || consent.accepted === consent.version;

// Why nothing can be sent; null when it can. fresh: it would begin a chat.
/** @param {GuestLink} link @param {{ fresh: boolean }} place @returns {Sentence | null} */
export function hindrance(link, { fresh }) {
  if (!consents(link)) return { key: "tester.consent_first" };
  if (usedUp(link)) return { key: "tester.used_up" };
  if (fresh && link.left.conversations === 0) return { key: "tester.no_new_chat" };
  return null;
}

// Whether no message can be sent any more, in any chat.
/** @param {GuestLink} link */
export const usedUp = ({ left }) => left.messages === 0 || left.tokens === 0;

// What is nearly used up, to be said near the box; null while there is enough.
/** @param {GuestLink} link @returns {Sentence | null} */
export function fewLeft({ left, limits }) {
  const { messages, tokens } = left;
  if (messages !== null && messages <= Math.max(FEW.count, FEW.share * (limits.messages ?? 0))) return counted("tester.left", messages);
  if (tokens !== null && tokens <= FEW.share * (limits.tokens ?? 0)) return counted("tester.tokens_left", tokens);
  return null;
}

// What the welcome says of the link's limits.
/** @param {GuestLink} link @returns {Sentence[]} */
export function facts({ left }) {
  const { messages, conversations } = left;
  return [messages !== null && counted("tester.messages", messages), conversations !== null && counted("tester.conversations", conversations)].filter((one) => one !== false);
}

// Whether prompts are the reader's to set: system prompts, sampling, templates.
/** @param {GuestLink | null} link */
export const mayPrompt = (link) => link?.system_prompt ?? true;

// The link's own questions that are asked once, not about each reply.
/** @param {Pick<GuestLink, "questions">} link */
export const askedOnce = ({ questions }) => questions.filter(({ per_reply }) => !per_reply);

// How many of those have no answer yet.
/** @param {GuestLink} link */
export const unanswered = (link) => askedOnce(link).filter(({ id }) => !(id in link.answers)).length;
