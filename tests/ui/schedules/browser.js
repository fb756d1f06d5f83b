// A browser in memory, with a clock that stands still until it is moved: tabs of the page's own modules, their storage,
// locks and history, and the line to a server. Only what draws is left out; a tab is made in milliseconds.

const ASSETS = new URL("/", location.href).href;
const STUBS = new URL("/schedules/stubs.js", location.href).href;
const SHARED = ["i18n.js"]; // state of its own has none of it

const scriptOf = new Map(); // path -> {names, wants, run}
const real = { AsyncFunction: (async () => {}).constructor, AbortSignal };

// Resolves when everything that could go on has.
const channel = new MessageChannel();
const waiting = [];
channel.port1.onmessage = () => waiting.shift()();
export const calm = () => new Promise((resolve) => (waiting.push(resolve), channel.port2.postMessage(null)));

const GLOBALS = [
  "window", "document", "location", "history", "localStorage", "sessionStorage", "navigator", "addEventListener", "setTimeout", "clearTimeout",
  "setInterval", "clearInterval", "requestAnimationFrame", "performance", "Date", "Math", "crypto", "fetch", "AbortSignal", "matchMedia",
  "IntersectionObserver", "ResizeObserver", "BroadcastChannel",
];

// Makes a function of a module: what it imports comes as arguments, what it exports is what it returns.
async function script(path, stubs) {
  const source = await (await fetch(ASSETS + path)).text();
  if (scriptOf.has(path)) return source;
  scriptOf.set(path, null);
  const wants = [];
  const exported = [];
  const body = source
    .replace(/^import \{([^}]*)\} from "([^"]+)";$/gm, (_, names, from) => {
      wants.push(new URL(from, ASSETS + path).href.slice(ASSETS.length));
      return `const {${names.replaceAll(" as ", ": ")}} = $imports[${wants.length - 1}];`;
    })
    .replace(/^export (async function|function|const|class) (\w+)/gm, (_, kind, name) => (exported.push(name), `${kind} ${name}`))
    .replace(/\bimport\(/g, "$import(");
  if (/^(import|export) /m.test(body)) throw new Error(`${path}: not understood: ${body.match(/^(import|export) .*/m)[0]}`);
  for (const want of wants) if (!stubs[want] && !SHARED.includes(want)) await script(want, stubs);
  const run = new real.AsyncFunction(...GLOBALS, "$imports", "$import", `${body}\nreturn { ${exported.join(", ")} };`);
  scriptOf.set(path, { wants, run });
  return source;
}

let shared, stubs, parts;

export async function prepare() {
  ({ stubs } = await import(STUBS));
  shared = Object.fromEntries(await Promise.all(SHARED.map(async (path) => [path, await import(ASSETS + path)])));
  parts = (await script("shell.js", stubs)).match(/^const PARTS = (\[.*\]);$/m)[1];
  parts = JSON.parse(parts);
}

export class Clock {
  now = 1_700_000_000_000;
  #timers = new Map(); // id -> {at, run, every, tab}
  #next = 1;

  set(run, wait, { every = null, tab = null } = {}) {
    const id = this.#next++;
    this.#timers.set(id, { at: this.now + Math.max(0, Number(wait) || 0), run, every, tab });
    return id;
  }

  clear(id) {
    this.#timers.delete(id);
  }

  // A tab that is gone does nothing more.
  forget(tab) {
    for (const [id, timer] of this.#timers) if (timer.tab === tab) this.#timers.delete(id);
  }

  async advance(milliseconds) {
    const end = this.now + milliseconds;
    await calm();
    for (;;) {
      let first = null;
      for (const [id, { at }] of this.#timers) if (at <= end && (first === null || at < this.#timers.get(first).at)) first = id;
      if (first === null) break;
      const timer = this.#timers.get(first);
      this.now = Math.max(this.now, timer.at);
      if (timer.every === null) this.#timers.delete(first);
      else timer.at = this.now + Math.max(1, timer.every);
      timer.run();
      await calm();
    }
    this.now = end;
  }
}

class Kept {
  getItem(name) {
    return Object.hasOwn(this, name) ? this[name] : null;
  }

  setItem(name, text) {
    if (Kept.full.has(this) && text.length > (this[name]?.length ?? 0)) throw new DOMException("full", "QuotaExceededError");
    this[name] = String(text);
  }

  removeItem(name) {
    delete this[name];
  }

  static full = new WeakSet();
}

class Locks {
  #held = new Map(); // name -> tab
  #queue = [];

  request(tab, name, options, work) {
    if (typeof options === "function") [options, work] = [{}, options];
    return new Promise((resolve, reject) => {
      const wish = { tab, name, work, resolve, reject };
      if (options.ifAvailable && this.#held.has(name)) return resolve(work(null));
      options.signal?.addEventListener("abort", () => {
        if (!this.#queue.includes(wish)) return;
        this.#queue.splice(this.#queue.indexOf(wish), 1);
        reject(options.signal.reason);
      });
      this.#queue.push(wish);
      this.#grant();
    });
  }

  query() {
    return Promise.resolve({ held: [...this.#held.keys()].map((name) => ({ name })) });
  }

  release(tab) {
    this.#queue = this.#queue.filter((wish) => wish.tab !== tab);
    for (const [name, holder] of this.#held) if (holder === tab) this.#held.delete(name);
    this.#grant();
  }

  #grant() {
    for (const wish of [...this.#queue]) {
      const { tab, name, work, resolve, reject } = wish;
      if (this.#held.has(name)) continue;
      this.#queue.splice(this.#queue.indexOf(wish), 1);
      this.#held.set(name, tab);
      Promise.resolve(work({ name })).then(resolve, reject).finally(() => {
        if (this.#held.get(name) === tab) this.#held.delete(name);
        this.#grant();
      });
    }
  }
}

// One person's browser. owner: who is signed in, as the server knows by the cookie. locks: whether it has any.
export class Browser {
  clock = new Clock();
  local = new Kept();
  locks = new Locks();
  tabs = [];
  #line = "up"; // | "cut": every request fails | "dead": nothing comes back | "lost": the server hears, its answers are lost
  owner = "ann";
  #flights = new Set();

  constructor(server, { seed = 1, locks = true } = {}) {
    this.server = server;
    if (!locks) this.locks = null;
    Object.assign(server, { clock: this.clock, onChange: () => this.stir() });
    let state = seed >>> 0 || 1;
    this.random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
  }

  get living() {
    return this.tabs.filter((tab) => tab.alive);
  }

  async open(address = "", session = null) {
    const tab = new Tab(this, session);
    this.tabs.push(tab);
    await tab.load(address);
    return tab;
  }

  // Nothing more fits into the storage.
  set full(full) {
    if (full) Kept.full.add(this.local);
    else Kept.full.delete(this.local);
  }

  get line() {
    return this.#line;
  }

  set line(line) {
    this.#line = line;
    if (line === "cut") for (const flight of this.#flights) flight.fail();
    this.stir();
  }

  // Whoever follows hears a little later of what has happened.
  stir() {
    for (const tab of this.living) {
      if (tab.hear && !tab.stirred) tab.stirred = this.clock.set(() => ((tab.stirred = 0), tab.hear()), 4, { tab });
    }
  }

  // 4 ms to the server, 4 ms back.
  fetch(tab, url, { method = "GET", body, signal } = {}) {
    const { page } = tab;
    return new Promise((resolve, reject) => {
      const flight = { fail: () => end(() => reject(new TypeError("Failed to fetch"))) };
      const end = (tell) => {
        this.#flights.delete(flight);
        if (tab.page === page && tab.alive) tell();
      };
      signal?.addEventListener("abort", () => end(() => reject(signal.reason)));
      this.#flights.add(flight);
      const arrive = () => {
        if (!this.#flights.has(flight) || this.line === "dead") return;
        if (this.line === "cut" || !this.server.up) return flight.fail();
        const answer = this.server.take(this.owner, method, new URL(url), body === undefined ? undefined : JSON.parse(body));
        this.clock.set(() => {
          if (!this.#flights.has(flight) || this.line === "dead") return;
          if (this.line !== "up" || !this.server.up) return flight.fail();
          end(() => resolve(new Response(answer.body === null ? null : JSON.stringify(answer.body), { status: answer.status, headers: answer.body === null ? {} : { "content-type": "application/json" } })));
        }, 4);
      };
      this.clock.set(arrive, 4);
    });
  }
}

class Tab {
  alive = false;
  page = 0; // counts the pages that were loaded in this tab
  #listeners;
  #channels = [];
  #entries = [];
  #at = -1;

  constructor(browser, session) {
    this.browser = browser;
    this.session = Object.assign(new Kept(), session);
  }

  async load(address) {
    const url = new URL(address, "http://localhost/");
    this.#entries = [...this.#entries.slice(0, this.#at + 1), url.href];
    this.#at += 1;
    await this.#run();
  }

  async reload() {
    if (this.alive) this.#leave();
    await this.#run();
  }

  async back() {
    if (this.#at === 0) return;
    this.#at -= 1;
    this.#tell("popstate", {});
    await calm();
  }

  close() {
    this.#leave();
  }

  // Nobody says goodbye.
  crash() {
    this.alive = false;
    this.browser.clock.forget(this);
    this.browser.locks?.release(this);
    this.#channels = [];
  }

  get address() {
    return new URL(this.#entries[this.#at]);
  }

  #leave() {
    this.#tell("pagehide", { persisted: false });
    this.crash();
  }

  #tell(type, detail) {
    for (const [name, listener] of [...this.#listeners]) if (name === type) listener(Object.assign(new Event(type), detail));
  }

  async #run() {
    this.alive = true;
    this.page += 1;
    this.hear = this.stirred = null;
    this.#listeners = [];
    this.document = documentOf(this.address.href);
    const loaded = new Map();
    const globals = this.#globals();
    this.window = globals.window;
    const $import = async (path) => {
      if (stubs[path.replace("./", "")]) return stubs[path.replace("./", "")](this, loaded);
      throw new Error(`no ${path} here`);
    };
    const load = async (path) => {
      if (shared[path]) return shared[path];
      if (!loaded.has(path)) {
        const make = async () => {
          if (stubs[path]) return stubs[path](this, loaded);
          const { wants, run } = scriptOf.get(path);
          const imports = [];
          for (const want of wants) imports.push(await load(want));
          return run(...GLOBALS.map((name) => globals[name]), imports, $import);
        };
        loaded.set(path, await make());
      }
      return loaded.get(path);
    };
    const page = this.page;
    await load("shell.js");
    if (!this.alive || page !== this.page) return;
    this.modules = { identity: loaded.get("identity.js").identity, outbox: loaded.get("outbox.js").outbox, storage: loaded.get("storage.js").storage };
  }

  #globals() {
    const { browser, document } = this;
    const tab = this;
    const { clock, locks } = browser;
    const own = { tab };
    const timeout = (ms) => {
      const stop = new AbortController();
      clock.set(() => stop.abort(new DOMException("late", "TimeoutError")), ms, own);
      return stop.signal;
    };
    const addEventListener = (name, listener) => this.#listeners.push([name, listener]);
    const location = {
      get href() {
        return tab.address.href;
      },
      get pathname() {
        return tab.address.pathname;
      },
      get search() {
        return tab.address.search;
      },
      // As in a browser: not within this task.
      reload: () => clock.set(() => void this.reload(), 1),
    };
    const history = {
      pushState: (_state, _title, address) => {
        this.#entries = [...this.#entries.slice(0, this.#at + 1), new URL(address, this.address).href];
        this.#at += 1;
      },
      replaceState: (_state, _title, address) => (this.#entries[this.#at] = new URL(address, this.address).href),
    };
    class VirtualDate extends Date {
      constructor(...args) {
        super(...(args.length ? args : [clock.now]));
      }

      static now() {
        return clock.now;
      }
    }
    const nothing = class {
      observe() {}
    };
    const globals = {
      document,
      location,
      history,
      addEventListener,
      localStorage: browser.local,
      sessionStorage: this.session,
      navigator: { onLine: true, platform: "Linux", locks: locks && { request: (...args) => locks.request(this, ...args), query: () => locks.query() } },
      setTimeout: (run, wait) => clock.set(run, wait, own),
      clearTimeout: (id) => clock.clear(id),
      setInterval: (run, wait) => clock.set(run, wait, { tab, every: wait }),
      clearInterval: (id) => clock.clear(id),
      requestAnimationFrame: (run) => clock.set(run, 16, own),
      performance: { now: () => clock.now - 1_600_000_000_000 },
      Date: VirtualDate,
      Math: Object.assign(Object.create(Math), { random: browser.random }),
      crypto: { getRandomValues: (bytes) => bytes.map(() => Math.floor(browser.random() * 256)) },
      fetch: (url, options) => browser.fetch(this, url, options),
      AbortSignal: { timeout, any: (signals) => real.AbortSignal.any(signals) },
      matchMedia: () => ({ matches: false, addEventListener() {} }),
      IntersectionObserver: nothing,
      ResizeObserver: nothing,
      BroadcastChannel: class {
        constructor() {
          tab.#channels.push(this);
        }

        listeners = [];
        addEventListener(_name, listener) {
          this.listeners.push(listener);
        }

        postMessage(data) {
          for (const other of browser.living) {
            for (const channel of other.#channels) {
              if (channel !== this) clock.set(() => channel.listeners.forEach((listener) => listener({ data })), 1, { tab: other });
            }
          }
        }
      },
    };
    globals.window = { ...globals, addEventListener, webchatConfig: { title: "Chat" } };
    return globals;
  }
}

function documentOf(address) {
  const made = document.implementation.createHTMLDocument("");
  made.head.append(Object.assign(made.createElement("base"), { href: new URL("/", address).href }));
  made.body.innerHTML = `<main><div id="wc-sidebar"></div><div id="wc-main">${parts.map((part) => `<div id="wc-${part}-part"><div class="wc-connection"></div></div>`).join("")}
    <div id="wc-picker"><input></div><div id="wc-composer"><div id="wc-composer-box"><div id="wc-composer-text"><textarea></textarea></div>
    <button id="wc-send"></button><button id="wc-stop"></button></div></div><div id="wc-system-prompt"><textarea></textarea></div>
    <div id="wc-sampling-seed"><input></div><div id="wc-sampling-stop"><textarea></textarea></div><button id="wc-drawer-reset"></button></div></main>`;
  for (const [name, value] of [["hidden", false], ["visibilityState", "visible"]]) Object.defineProperty(made, name, { get: () => value });
  return made;
}
