// Runs in the head before everything else. Where a browser keeps nothing for this page, reading `localStorage` throws, or
// gives nothing; Gradio's frontend does not expect it. What is missing gets a stand-in that lasts as long as the page.
// Sets webchatConfig.fleeting: the names of those that are stand-ins.
(() => {
  class StandIn {
    getItem(name) {
      return Object.hasOwn(this, name) ? this[name] : null;
    }

    setItem(name, value) {
      this[name] = String(value);
    }

    removeItem(name) {
      delete this[name];
    }

    clear() {
      for (const name of Object.keys(this)) delete this[name];
    }

    key(index) {
      return Object.keys(this)[index] ?? null;
    }

    get length() {
      return Object.keys(this).length;
    }
  }

  function isBlocked(name) {
    try {
      window[name].getItem("");
      return false;
    } catch {
      return true; // SecurityError, or null in some apps that show web pages
    }
  }

  window.webchatConfig.fleeting = ["localStorage", "sessionStorage"].filter(isBlocked);
  for (const name of window.webchatConfig.fleeting) Object.defineProperty(window, name, { value: new StandIn(), configurable: true });
})();
