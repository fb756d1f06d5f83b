// Stylesheets that the first paint does not need: fetched with the part that wears them.

/** @type {Map<string, Promise<unknown>>} */
const sheets = new Map();

// Resolves when styles/<name>.css is there, or cannot be had.
/** @param {string} name */
export function style(name) {
  if (!sheets.has(name)) {
    const href = new URL(`./styles/${name}.css`, import.meta.url).href;
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
    sheets.set(name, new Promise((resolve) => Object.assign(link, { onload: resolve, onerror: resolve })));
    document.head.append(link);
  }
  return sheets.get(name);
}
