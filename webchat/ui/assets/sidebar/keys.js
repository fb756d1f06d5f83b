// One Tab stop for a list of rows, however long it is: the arrows go from row to row, and into a row.

// list: sections of rows, each `.wc-row` with a link and the button of its menu. keys: {F2(row), Delete(row), menu(row)}
export class RowKeys {
  #list;
  #keys;
  #stop = null; // the row that Tab goes to

  constructor(list, keys) {
    this.#list = list;
    this.#keys = keys;
    list.addEventListener("keydown", (event) => this.#onKey(event));
    list.addEventListener("focusin", (event) => this.#stopAt(event.target.closest(".wc-row")));
  }

  // After a drawing: Tab goes to the row it went to, else to the open conversation, else to the first.
  settle() {
    if (this.#stop?.isConnected) return;
    this.#stopAt(this.#list.querySelector(".wc-row-link[aria-current]")?.closest(".wc-row") ?? this.#list.querySelector(".wc-row"));
  }

  // Tab goes to the open conversation, wherever it went before.
  to(row) {
    if (row?.isConnected && !this.#list.contains(document.activeElement)) this.#stopAt(row);
  }

  // The focus moves on from a row that is about to go.
  leave(row) {
    if (!row.contains(document.activeElement)) return;
    const next = neighbour(row, 1) ?? neighbour(row, -1);
    next?.querySelector(".wc-row-link").focus();
  }

  #stopAt(row) {
    if (row === this.#stop) return;
    this.#stop?.querySelector(".wc-row-link").setAttribute("tabindex", "-1");
    this.#stop = row;
    row?.querySelector(".wc-row-link").setAttribute("tabindex", "0");
  }

  #onKey(event) {
    const row = event.target.closest(".wc-row");
    if (!row || event.target.matches("input")) return;
    const [link, menu] = row.children;
    const rows = () => this.#list.querySelectorAll(".wc-row-link");
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
    if (focus) focus()?.focus();
    else deed(row);
  }
}

function neighbour(row, step) {
  const beside = (element) => (step > 0 ? element.nextElementSibling : element.previousElementSibling);
  const near = beside(row);
  if (near) return near;
  for (let section = beside(row.closest("section")); section; section = beside(section)) {
    const rows = section.querySelectorAll(".wc-row");
    if (rows.length) return step > 0 ? rows[0] : rows[rows.length - 1];
  }
  return null;
}
