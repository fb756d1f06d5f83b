// One Tab stop for a list of rows, however long it is: the arrows go from row to row, and into a row.

/** @typedef {{ [key: string]: (row: HTMLElement) => void }} Keys */

// list: sections of rows, each `.wc-row` with a link and the button of its menu. keys: {F2(row), Delete(row), menu(row)}
export class RowKeys {
  #list;
  #keys;
  /** @type {HTMLElement | null} */
  #stop = null; // the row that Tab goes to

  /** @param {HTMLElement} list @param {Keys} keys */
  constructor(list, keys) {
    this.#list = list;
    this.#keys = keys;
    list.addEventListener("keydown", (event) => this.#onKey(event));
    list.addEventListener("focusin", (event) => this.#stopAt(/** @type {Element} */ (event.target).closest(".wc-row")));
  }

  // After a drawing: Tab goes to the row it went to, else to the open conversation, else to the first.
  settle() {
    if (this.#stop?.isConnected) return;
    this.#stopAt(this.#list.querySelector(".wc-row-link[aria-current]")?.closest(".wc-row") ?? this.#list.querySelector(".wc-row"));
  }

  // Tab goes to the open conversation, wherever it went before.
  /** @param {HTMLElement} [row] */
  to(row) {
    if (row?.isConnected && !this.#list.contains(document.activeElement)) this.#stopAt(row);
  }

  focus() {
    this.#stop?.querySelector(".wc-row-link")?.focus();
  }

  // The focus moves on from a row that is about to go.
  /** @param {HTMLElement} row */
  leave(row) {
    if (!row.contains(document.activeElement)) return;
    const next = neighbour(row, 1) ?? neighbour(row, -1);
    next?.querySelector(".wc-row-link")?.focus();
  }

  /** @param {HTMLElement | null} row */
  #stopAt(row) {
    if (row === this.#stop) return;
    this.#stop?.querySelector(".wc-row-link")?.setAttribute("tabindex", "-1");
    this.#stop = row;
    row?.querySelector(".wc-row-link")?.setAttribute("tabindex", "0");
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const target = /** @type {Element} */ (event.target);
    const row = target.closest(".wc-row");
    if (!row || target.matches("input")) return;
    const link = row.querySelector(".wc-row-link");
    const menu = row.querySelector("button");
    const rows = () => this.#list.querySelectorAll(".wc-row-link");
    /** @type {(() => Element | null | undefined) | undefined} */
    const focus = {
      ArrowDown: () => neighbour(row, 1)?.firstElementChild,
      ArrowUp: () => neighbour(row, -1)?.firstElementChild,
      Home: () => rows()[0],
      End: () => [...rows()].at(-1),
      ArrowRight: () => menu,
      ArrowLeft: () => link,
    }[event.key];
    const deed = event.key === "ContextMenu" || (event.key === "F10" && event.shiftKey) ? this.#keys.menu : this.#keys[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || !(focus || deed)) return;
    event.preventDefault();
    const wanted = focus?.();
    if (wanted instanceof HTMLElement) wanted.focus();
    else if (!focus) deed(row);
  }
}

/** @param {HTMLElement} row @param {number} step @returns {HTMLElement | null} */
function neighbour(row, step) {
  const beside = (/** @type {Element | null} */ element) => /** @type {HTMLElement | null} */ (step > 0 ? element?.nextElementSibling : element?.previousElementSibling) ?? null;
  const near = beside(row);
  if (near) return near;
  for (let section = beside(row.closest("section")); section; section = beside(section)) {
    const rows = section.querySelectorAll(".wc-row");
    if (rows.length) return step > 0 ? rows[0] : rows[rows.length - 1];
  }
  return null;
}
