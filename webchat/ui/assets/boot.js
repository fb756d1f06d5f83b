// Runs in the head, before Gradio's bundle and before the first paint: the language and the colours.
// Set before this line: window.webchatConfig = {assets, title, language}.
(() => {
  const config = window.webchatConfig;

  function stored(name) {
    try {
      return localStorage.getItem(name);
    } catch {
      return null; // storage is blocked: every visit starts from the defaults
    }
  }

  function chosenLanguage() {
    const cookie = /(?:^|; )webchat_lang=([\w-]+)/.exec(document.cookie)?.[1];
    const wishes = [stored("webchat_lang"), cookie, config.language, ...navigator.languages];
    for (const wish of wishes) {
      if (/^zh\b/i.test(wish ?? "")) return "zh-CN";
      if (/^en\b/i.test(wish ?? "")) return "en";
    }
    return "en";
  }

  // Gradio takes the language of its labels from the browser and offers no other way to set it.
  const language = chosenLanguage();
  document.documentElement.lang = language;
  Object.defineProperty(navigator, "language", { get: () => language, configurable: true });
  Object.defineProperty(navigator, "languages", { get: () => [language], configurable: true });

  const system = matchMedia("(prefers-color-scheme: dark)");
  let theme = stored("webchat_theme") ?? "system";

  function paint() {
    const dark = theme === "dark" || (theme === "system" && system.matches);
    document.documentElement.classList.toggle("dark", dark);
    document.documentElement.style.colorScheme = dark ? "dark" : "light";
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
  // Gradio sets the same class from the system's scheme; the visitor's choice wins.
  const watch = new MutationObserver(paint);
  document.addEventListener("DOMContentLoaded", () => {
    paint();
    watch.observe(document.body, { attributes: true, attributeFilter: ["class"] });
  });

  if (stored("webchat_sidebar") === "closed") document.documentElement.classList.add("wc-sidebar-closed");
})();
