// Runs in the head, before Gradio's bundle and before the first paint: the language and the colours.
// Set before this line: window.webchatConfig = {assets, title, language, lost: {language: {failed, cookies, framed, retry,
// open, server}}}, and what guard.js sets.
(() => {
  const config = window.webchatConfig;
  const root = document.documentElement;
  const PATIENCE = 5000; // ms that a page of which something did not load may still take

  /** @param {string} name */
  function stored(name) {
    try {
      return localStorage.getItem(name);
    } catch {
      return null; // storage is blocked: every visit starts from the defaults
    }
  }

  function cookies() {
    try {
      return document.cookie;
    } catch {
      return ""; // in a frame that may keep nothing
    }
  }

  function chosenLanguage() {
    const cookie = /(?:^|; )webchat_lang=([\w-]+)/.exec(cookies())?.[1];
    const asked = new URLSearchParams(location.search).get("lang"); // where neither of the two can be kept
    const wishes = [asked, stored("webchat_lang"), cookie, stored("webchat_link_lang"), config.language, ...navigator.languages];
    for (const wish of wishes) {
      if (/^zh\b/i.test(wish ?? "")) return "zh-CN";
      if (/^en\b/i.test(wish ?? "")) return "en";
    }
    return "en";
  }

  const language = chosenLanguage();
  config.language = language;
  // Gradio takes the language of its labels from the browser, and what it has no words for from `en`: that is the chosen
  // one. Its settings are there, and its bundle has not run, when all of the page has been read.
  document.addEventListener("readystatechange", () => {
    const gradio = window.gradio_config;
    if (gradio?.i18n_translations) gradio.i18n_translations = { en: gradio.i18n_translations[language] };
  }, { once: true });

  const system = matchMedia("(prefers-color-scheme: dark)");
  let theme = stored("webchat_theme") ?? "system";

  function paint() {
    if (root.lang !== language) root.lang = language;
    const dark = theme === "dark" || (theme === "system" && system.matches);
    root.classList.toggle("dark", dark);
    root.style.colorScheme = dark ? "dark" : "light";
    if (document.body && document.body.classList.contains("dark") !== dark) document.body.classList.toggle("dark", dark);
  }

  config.theme = () => theme;
  config.setTheme = (value) => {
    theme = value;
    try {
      localStorage.setItem("webchat_theme", value);
    } catch {
      // not kept, but applied
    }
    paint();
  };
  system.addEventListener("change", paint);
  paint();
  // Gradio sets the language and the class, too, from the browser's and the system's; the visitor's choice wins.
  const watch = new MutationObserver(paint);
  watch.observe(root, { attributes: true, attributeFilter: ["lang"] });
  document.addEventListener("DOMContentLoaded", () => {
    paint();
    watch.observe(document.body, { attributes: true, attributeFilter: ["class"] });
  });

  // Gradio's mark of loading goes on asking for frames after it has gone, by the function found when its module was loaded.
  const frame = window.requestAnimationFrame;
  const isReady = () => root.classList.contains("wc-ready");
  /** @param {FrameRequestCallback} callback */
  const untilReady = (callback) => (isReady() ? 0 : frame(callback));
  Object.defineProperty(window, "requestAnimationFrame", { get: () => (isReady() ? frame : untilReady), configurable: true });

  // Asks before something is lost with the page. Gradio's own listener ends the page's session, which somebody who stays still
  // needs; on the window the listener that came first is called first, also before those that capture.
  addEventListener("beforeunload", (event) => {
    if (!config.unsaved?.()) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  });

  // Where a script or a module does not come, the page would stay empty without a word.
  let lost = false;
  async function onLoss() {
    if (lost || isReady()) return;
    lost = true;
    const why = await reason();
    setTimeout(sayLost, why === "failed" ? PATIENCE : 0, why);
  }
  addEventListener("error", ({ target }) => (target === window || target instanceof HTMLScriptElement || target instanceof HTMLLinkElement) && onLoss(), true);
  addEventListener("unhandledrejection", onLoss);

  // Why nothing comes: the frame is cut off from its own server, no cookie is kept, or something else.
  async function reason() {
    if (origin === "null") return "framed";
    try {
      const { error } = await (await fetch(new URL("api/me", document.baseURI))).json();
      return error?.code === "no_cookie" ? "cookies" : "failed";
    } catch {
      return "failed";
    }
  }

  /** @param {string} why */
  function sayLost(why) {
    if (isReady()) return;
    const words = config.lost[language];
    /** @template {keyof HTMLElementTagNameMap} Tag @param {Tag} tag @param {object} properties */
    const make = (tag, properties) => Object.assign(document.createElement(tag), properties);
    const card = make("div", { id: "wc-lost", role: "alert" });
    const said = make("p", { textContent: words[why] });
    said.style.maxWidth = "26rem";
    card.append(said);
    // Whose frame it is cannot be changed from within.
    if (why !== "failed" && top !== window) card.append(make("a", { href: location.href, target: "_blank", rel: "noopener", textContent: words.open }));
    if (why !== "framed") {
      const retry = make("button", { type: "button", textContent: words.retry, onclick: () => location.reload() });
      Object.assign(retry.style, { padding: "0.5rem 1rem", border: "1px solid", borderRadius: "8px" });
      card.append(retry);
    }
    // Its style sheet may be what is missing.
    Object.assign(card.style, { position: "fixed", inset: "0", zIndex: "9", display: "grid", placeContent: "center", justifyItems: "center", gap: "0.75rem", padding: "1rem", textAlign: "center", font: "1rem sans-serif" });
    if (document.body) document.body.append(card);
    else addEventListener("DOMContentLoaded", () => document.body.append(card));
    new MutationObserver(() => isReady() && card.remove()).observe(root, { attributes: true });
  }

  if (stored("webchat_sidebar") === "closed") root.classList.add("wc-sidebar-closed");
})();
