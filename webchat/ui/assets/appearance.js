// The page's colours and its language, which each person chooses for this browser.

import { url } from "./api.js";
import { language } from "./i18n.js";
import { storage } from "./storage.js";

/** @import { IconName } from "./dom.js" */

export const LANGUAGES = { en: "English", "zh-CN": "简体中文" };

/** @type {Record<string, IconName>} */
export const THEMES = { system: "screen", light: "sun", dark: "moon" };

// Gradio reads its language once, so the page starts again; drafts and place are kept.
/** @param {string} code */
export function setLanguage(code) {
  if (code === language) return;
  storage.setText("webchat_lang", code);
  const path = new URL(document.baseURI).pathname;
  document.cookie = `webchat_lang=${code}; path=${path}; max-age=31536000; samesite=lax`;
  if (storage.lasts) location.reload();
  else location.assign(url(location.search, { lang: code })); // nothing else lasts until then
}
