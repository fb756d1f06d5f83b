// Runs in the head before everything else. Where a browser keeps nothing for this page, reading `localStorage` throws, or
// gives nothing; Gradio's frontend does not expect it. What is missing gets a stand-in that lasts as long as the page.
// Sets webchatConfig.fleeting: the names of those that are stand-ins.
(() => {
  class StandIn {
    /** @param {string} name */
    getItem(name) {
      return Object.hasOwn(this, name) ? Reflect.get(this, name) : null;
    }

    /** @param {string} name @param {unknown} value */
    setItem(name, value) {
      Reflect.set(this, name, String(value));
    }

    /** @param {string} name */
    removeItem(name) {
      Reflect.deleteProperty(this, name);
    }

    clear() {
      for (const name of Object.keys(this)) Reflect.deleteProperty(this, name);
    }

    /** @param {number} index */
    key(index) {
      return Object.keys(this)[index] ?? null;
    }

    get length() {
      return Object.keys(this).length;
    }
  }

  /** @param {"localStorage" | "sessionStorage"} name */
  function isBlocked(name) {
    try {
      window[name].getItem("");
      return false;
    } catch {
      return true; // SecurityError, or null in some apps that show web pages
    }
  }

  window.webchatConfig.fleeting = /** @type {const} */ (["localStorage", "sessionStorage"]).filter(isBlocked);
  for (const name of window.webchatConfig.fleeting) Object.defineProperty(window, name, { value: new StandIn(), configurable: true });
})();
