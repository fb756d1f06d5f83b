// Talks to the other tabs of this browser; null where it has no such channels, or keeps them from this page.
/** @param {string} name */
export function channel(name) {
  try {
    return new BroadcastChannel(name);
  } catch {
    return null;
  }
}
