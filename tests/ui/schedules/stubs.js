// What draws, in place of the page's own: path of a module -> (tab, modules loaded by then) -> what it exports.

const nothing = () => {};

export const stubs = {
  "drawer.js": () => ({ mountDrawer: nothing, drawer: { show: nothing, flush: () => true, toggle: nothing, save: nothing, reset: nothing } }),
  "menus.js": () => ({ mainMenu: () => [], exportItems: () => [], showShortcuts: nothing, showTemplates: nothing }),
  "search.js": () => ({ openSearch: nothing }),
  "picker.js": () => ({ mountPicker: nothing, pickerUpdate: nothing }),
  "print.js": () => ({ mountPrinting: nothing, printChat: nothing }),
  "files.js": () => ({ mountFiles: nothing }),
  "style.js": () => ({ style: async () => {} }),
  "conversation/info.js": () => ({ showInfo: nothing }),
  "conversation/context.js": () => ({ mountContext: nothing }),
  "sidebar.js": (tab) => ({ mountSidebar: (_element, callbacks) => (tab.go = callbacks), sidebar: { active: null, get: () => undefined, refresh: nothing } }),
  "conversation/scroll.js": () => ({
    EndKeeper: class {
      atEnd = true;
      toEnd() {}
      leave() {}
      holding(_element, change) {
        change();
      }
    },
  }),
  "markdown.js": () => ({
    markdownView: () => ({ text: "", set: nothing, append: nothing, flush: nothing, finish: nothing, destroy: nothing }),
  }),
  "follow.js": (tab) => ({ Line: lineOf(tab) }),
};

// The event stream: looks into the server's memory whenever something has happened.
function lineOf(tab) {
  const { browser } = tab;
  return class {
    open = false;
    #following = new Map();
    #heard = browser.server.news.length;

    constructor(_address, handlers) {
      tab.hear = () => this.#look(handlers);
      browser.stir();
    }

    follow(id, { onDone, onGone }) {
      this.#following.set(id, { onDone, onGone });
      browser.stir();
      return () => this.#following.delete(id);
    }

    close() {
      this.#following.clear();
    }

    #look({ onLine, onNews }) {
      const { server, line, owner } = browser;
      const open = server.up && line === "up";
      if (open !== this.open && (open || line !== "dead")) onLine({ open: (this.open = open), gap: true });
      if (!open) return;
      for (const { owner: whose, ...news } of server.news.slice(this.#heard)) if (whose === owner) onNews(news);
      this.#heard = server.news.length;
      for (const [id, { onDone, onGone }] of [...this.#following]) {
        const record = server.record(owner, id);
        if (record && ["queued", "streaming"].includes(record.state)) continue;
        this.#following.delete(id);
        if (record) onDone(record);
        else onGone();
      }
    }
  };
}
