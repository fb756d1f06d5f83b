// Which chats of the list are selected. Without a document, so that it can be tested by itself.

export const MOST = 100; // as many as one download takes

export class Selection {
  /** @type {Set<string>} */
  #ids = new Set();
  /** @type {string | null} */
  #anchor = null; // the one that a range begins at

  get size() {
    return this.#ids.size;
  }

  /** @param {string} id */
  has(id) {
    return this.#ids.has(id);
  }

  // In the order of the list.
  /** @param {string[]} order */
  ids(order) {
    return order.filter((id) => this.#ids.has(id));
  }

  // False where there is no room for it.
  /** @param {string} id */
  toggle(id) {
    this.#anchor = id;
    return this.#ids.delete(id) || this.#add([id]);
  }

  // Everything from the last one that was chosen to this one, too. False where there is no room for all.
  /** @param {string} id @param {string[]} order */
  reach(id, order) {
    const from = order.indexOf(this.#anchor ?? id);
    const to = order.indexOf(id);
    if (from < 0) return this.toggle(id);
    return this.#add(from < to ? order.slice(from, to + 1) : order.slice(to, from + 1).reverse());
  }

  // False where there is no room for all.
  /** @param {string[]} order */
  all(order) {
    return this.#add(order);
  }

  // Forgets those that are not in the list any more.
  /** @param {{ has(id: string): boolean }} listed */
  keep(listed) {
    for (const id of this.#ids) if (!listed.has(id)) this.#ids.delete(id);
  }

  clear() {
    this.#ids.clear();
    this.#anchor = null;
  }

  /** @param {string[]} ids */
  #add(ids) {
    for (const id of ids) {
      if (this.#ids.has(id)) continue;
      if (this.#ids.size >= MOST) return false;
      this.#ids.add(id);
    }
    return true;
  }
}
