// The link's language, for a reader who has chosen none: kept where boot.js reads it before the first paint.

import { language } from "../i18n.js";

const KEPT = "webchat_link_lang";

// wanted: "" for none. True when the page has to start again to speak it.
/** @param {string} wanted */
export function followLanguage(wanted) {
  try {
    if ((localStorage.getItem(KEPT) ?? "") === wanted) return false;
    if (wanted) localStorage.setItem(KEPT, wanted);
    else localStorage.removeItem(KEPT);
    const chosen = localStorage.getItem("webchat_lang") || /(?:^|; )webchat_lang=/.test(document.cookie) || new URLSearchParams(location.search).get("lang");
    return !chosen && wanted !== "" && wanted !== language && localStorage.getItem(KEPT) === wanted;
  } catch {
    return false; // nothing can be kept: the browser's language stays
  }
}
