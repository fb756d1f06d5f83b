// Keeps the end of the conversation in view while the reader is there, and lets go as soon as the reader is not.

/** @typedef {{ body: HTMLElement, openReasoning(): Element | null }} Read */

const NEAR = 48; // pixels from the end that count as being there

export class EndKeeper {
  #scroller;
  #content;
  #onChange;
  #last = 0;
  #touching = false;
  #follows = true;
  #leaving = false; // the reader has turned away from the end, and not come back yet
  atEnd = true;

  /** @param {HTMLElement} scroller @param {HTMLElement} content @param {(atEnd: boolean) => void} onChange */
  constructor(scroller, content, onChange) {
    this.#scroller = scroller;
    this.#content = content;
    this.#onChange = onChange;
    scroller.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    scroller.addEventListener("wheel", (event) => event.deltaY < 0 && this.#leave(), { passive: true });
    scroller.addEventListener("touchmove", () => (this.#touching = true), { passive: true });
    scroller.addEventListener("touchend", () => (this.#touching = false), { passive: true });
    new ResizeObserver(() => this.#follow()).observe(content);
    new ResizeObserver(() => this.#follow()).observe(scroller);
  }

  /** Whether there is an end to keep in view; without one the beginning is shown. */
  /** @param {boolean} on */
  set follows(on) {
    this.#follows = on;
    if (!on) this.#scroller.scrollTop = 0;
  }

  get distance() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight;
  }

  /** @param {{ smooth?: boolean }} [options] */
  toEnd({ smooth = false } = {}) {
    this.#set(true);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    // A long way is jumped: rendering everything in between would take longer than it shows.
    const glide = smooth && !calm && this.distance < 3 * this.#scroller.clientHeight;
    this.#scroller.scrollTo({ top: this.#scroller.scrollHeight, behavior: glide ? "smooth" : "instant" });
  }

  /** Do `change` without moving `element` on the screen. */
  /** @param {Element | null | undefined} element @param {() => void} change */
  holding(element, change) {
    const before = element?.isConnected ? element.getBoundingClientRect().top : null;
    change();
    if (before === null || !element?.isConnected) return;
    this.#scroller.scrollTop += element.getBoundingClientRect().top - before;
    this.#last = this.#scroller.scrollTop;
  }

  /** Do `change`, which moves the text of a reply into its reasoning. Whoever reads it goes on reading where they are. */
  /** @param {Read} view @param {() => void} change */
  keepingRead(view, change) {
    const top = this.#scroller.getBoundingClientRect().top;
    const blocks = [...view.body.querySelectorAll(".wc-block")];
    const at = blocks.findIndex((block) => block.getBoundingClientRect().bottom > top);
    if (at < 0) {
      change();
      return;
    }
    const text = blocks[at].textContent;
    const before = blocks[at].getBoundingClientRect().top;
    change();
    // Match the block itself: either text may be only partly drawn, so their heights can't be compared.
    const moved = [...(view.openReasoning()?.querySelectorAll(".wc-block") ?? [])];
    const block = moved[at]?.textContent === text ? moved[at] : (moved.find(({ textContent }) => textContent === text) ?? moved[at]);
    if (!block) return;
    this.#scroller.scrollTop += block.getBoundingClientRect().top - before;
    this.#last = this.#scroller.scrollTop;
  }

  leave() {
    this.#leave();
  }

  #follow() {
    if (!this.#follows) return;
    if (this.atEnd && !this.#touching) {
      this.#scroller.scrollTop = this.#scroller.scrollHeight;
      this.#last = this.#scroller.scrollTop; // told of later, when the reader may have turned away
    } else this.#onChange(this.atEnd);
  }

  #onScroll() {
    const { scrollTop } = this.#scroller;
    // Only a move up by the reader lets go; content that shrinks or grows moves nobody away.
    const back = scrollTop > this.#last || !this.#leaving;
    if (!this.#follows || (this.distance < NEAR && back)) this.#set(true);
    else if (scrollTop < this.#last - 2 && this.#content.isConnected) this.#set(false);
    this.#last = scrollTop;
    if (!this.atEnd) this.#onChange(false); // the wheel told of the turn before it had moved anything
  }

  #leave() {
    if (!this.#follows || this.#scroller.scrollHeight <= this.#scroller.clientHeight) return;
    this.#leaving = true;
    this.#set(false);
  }

  /** @param {boolean} atEnd */
  #set(atEnd) {
    if (atEnd) this.#leaving = false;
    if (this.atEnd === atEnd) return;
    this.atEnd = atEnd;
    this.#onChange(atEnd);
  }
}
