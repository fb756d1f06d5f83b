// What it takes to live on a page that Gradio draws; no other module knows of it. What must be done before Gradio's bundle
// runs is in boot.js (language, colours) and guard.js (storage).

// Resolves when all are on the page. Gradio loads each kind of component by itself, so they come in any order.
/** @param {string[]} selectors @returns {Promise<void>} */
export function present(selectors) {
  return new Promise((resolve) => {
    const watch = new MutationObserver(look);
    watch.observe(document.documentElement, { childList: true, subtree: true });
    look();

    function look() {
      if (!selectors.every((selector) => document.querySelector(selector))) return;
      watch.disconnect();
      resolve();
    }
  });
}

// Writes into a text box. Gradio's component keeps its value, and grows, by the event.
/** @param {HTMLInputElement | HTMLTextAreaElement} box @param {string} text */
export function write(box, text) {
  box.value = text;
  box.dispatchEvent(new Event("input", { bubbles: true }));
}

// The keys of a text box, before Gradio's own listeners: they would take Enter, also inside an input method.
/** @param {HTMLElement} block @param {(event: KeyboardEvent) => void} listener */
export function onKeyFirst(block, listener) {
  block.addEventListener("keydown", listener, true);
  block.addEventListener("keypress", (event) => event.key === "Enter" && event.stopImmediatePropagation(), true);
}

// Gradio puts the whole page, the list of conversations too, into a <main> that it offers no way to do without.
/** @param {HTMLElement} element */
export function setMain(element) {
  element.closest("main")?.setAttribute("role", "presentation");
  element.setAttribute("role", "main");
}

// Says in these words that the server has gone: Gradio says it in English alone, in a message above the page.
/** @param {string} words */
export function onConnectionLost(words) {
  const watch = new MutationObserver(() => {
    for (const said of document.querySelectorAll('[data-testid="toast-text"]'))
      if (said.textContent?.startsWith("Connection to the server was lost.")) said.textContent = words;
  });
  watch.observe(document.body, { childList: true, subtree: true });
}
