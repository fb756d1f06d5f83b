// Signing out: the page goes, and so do the other tabs of the same person in this browser. Signing in again: the chat that
// was open is there again.
//
//   sessionStorage webchat.place   {owner, search}: whose chat this tab had open when it went to sign in again

import { api, url } from "../api.js";
import { channel } from "../channel.js";
import { h } from "../dom.js";
import { errorLine, t } from "../i18n.js";
import { identity } from "../identity.js";
import { toast } from "../toast.js";

/** @import { Me } from "../types.js" */

const PLACE = "webchat.place";

const calls = channel("webchat-account");

export const signInAddress = () => url("sign-in");

export function signInAgainLink() {
  const keep = () => {
    try {
      sessionStorage.setItem(PLACE, JSON.stringify({ owner: identity.owner, search: location.search }));
    } catch {
      // blocked: a new chat is open then
    }
  };
  return h("a", { href: signInAddress(), onclick: keep }, t("account.sign_in_again"));
}

// What the address asked for in this tab before the same person signed in again, once.
export function placeBefore() {
  try {
    const { owner, search } = JSON.parse(sessionStorage.getItem(PLACE) ?? "{}");
    sessionStorage.removeItem(PLACE);
    return owner && owner === identity.owner ? String(search) : "";
  } catch {
    return "";
  }
}

// What the person has not sent stays in this browser under their own name, see drafts.js and outbox.js.
/** @param {Partial<Me>} me */
export async function signOut({ person, sign_out_url: proxys }) {
  if (person?.proxy && !proxys) return void toast(t("account.proxy_signs_in"));
  try {
    await api.post("api/sign-out");
  } catch (error) {
    if (error.status !== 401) return void toast(errorLine(error), { kind: "error" }); // else it had ended already
  }
  calls?.postMessage({ left: identity.owner });
  leave(person?.proxy && proxys);
}

// Whether this page is one of the browser's memory, to which somebody went back: it may be older than the end of a session.
export function isSteppedBackTo() {
  return performance.getEntriesByType("navigation").some((entry) => entry instanceof PerformanceNavigationTiming && entry.type === "back_forward");
}

// Nobody who uses this browser next finds the chats in a tab that was left open.
export function leaveWithOthers() {
  calls?.addEventListener("message", ({ data }) => data.left && data.left === identity.owner && leave());
}

/** @param {string | false | null} [there] where the proxy that signs people in signs them out */
function leave(there) {
  addEventListener("pageshow", () => location.reload(), { once: true }); // a step back must not show it from memory
  location.replace(there || signInAddress());
}
