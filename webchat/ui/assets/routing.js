// The page's addresses, and what they ask for.

/** @param {string} href the page's own @param {string | null} id of the conversation it shows; null for a new one */
export function addressOf(href, id) {
  const url = new URL(href);
  url.search = url.hash = "";
  if (id !== null) url.searchParams.set("c", id);
  return url.href;
}

// ?c= a conversation, ?m= a message of it; for a new chat ?q= words for the box (never sent by themselves), ?model= a model;
// ?copy= a share to go on with.
/** @param {string} search */
export function askedFor(search) {
  const query = new URLSearchParams(search);
  const id = query.get("c");
  const fresh = (/** @type {string} */ name) => (id === null ? query.get(name) : null);
  return { id, messageId: query.get("m"), words: fresh("q"), model: fresh("model"), copy: fresh("copy") };
}
