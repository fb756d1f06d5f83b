// The bar that says the server is away, and what happens when it is back.

import { signInAgainLink } from "./account/leaving.js";
import { canSignInAgain } from "./account/problems.js";
import { api } from "./api.js";
import { bus } from "./bus.js";
import { h } from "./dom.js";
import { errorLine, errorText, t } from "./i18n.js";
import { identity } from "./identity.js";
import { toast } from "./toast.js";

/** @import { Failure, Me, GuestLink } from "./types.js" */

const RETRY = 2000;
const RESUMED_LOOK = 10_000; // between two looks whether a paused link has been resumed
const SHOW_AFTER = 1000; // a hiccup shorter than this is nobody's business

/** @type {{ online: boolean, out: boolean, paused: boolean, probing: boolean, me: Partial<Me>, boot: string | null, version: string | null, timer: number, show: number }} */
const state = { online: true, out: false, paused: false, probing: false, me: {}, boot: null, version: null, timer: 0, show: 0 };
/** @type {HTMLElement} */
let bar;
/** @type {() => void} */
let reload;

// onOther: called when the server is another one than before.
/** @param {HTMLElement} element @param {() => void} onOther */
export function mountConnection(element, onOther) {
  bar = element;
  reload = onOther;
  bus.on("connection", ({ online }) => (online ? up() : down()));
  bus.on("out", out);
  window.addEventListener("online", probe);
  window.addEventListener("offline", down);
  document.addEventListener("visibilitychange", () => !document.hidden && (state.out ? returnIfIn() : !state.online && probe()));
}

export const connection = {
  // The answer of api/me: who this is; empty until it is there.
  /** @returns {Partial<Me>} */
  get me() {
    return state.me;
  },

  // What the link says that this tester came by; null for everybody else.
  /** @returns {GuestLink | null} */
  get link() {
    return state.me.link ?? null;
  },

  // Whether the link or the session of this visitor has ended: what is on the page stays, and nothing more comes.
  get out() {
    return state.out;
  },

  set link(link) {
    state.me.link = link;
    bus.emit("me", { me: state.me });
  },

  set me(me) {
    if (me.owner) identity.own(me.owner.id);
    state.me = me;
    state.boot = me.boot ?? null;
    state.version ??= me.version ?? null;
  },
};

function down() {
  if (!state.online || state.out) return;
  state.online = false;
  state.show = setTimeout(() => {
    bar.textContent = t(navigator.onLine ? "connection.lost" : "connection.offline");
    bar.classList.add("wc-open");
  }, SHOW_AFTER);
  state.timer = setTimeout(probe, RETRY);
}

// The link this visitor came by has ended, or their session: said for good, with the reason; what is on the page can still be read.
/** @param {{ error: Failure }} detail */
function out({ error }) {
  state.out = true;
  clearTimeout(state.show);
  clearTimeout(state.timer);
  if (canSignInAgain(error, state.me)) bar.replaceChildren(errorText(error).message, " ", signInAgainLink());
  else bar.replaceChildren(errorLine(error));
  if (error.code === "no_cookie" && top !== window) bar.append(" ", h("a", { href: location.href, target: "_blank", rel: "noopener" }, t("app.open_alone")));
  bar.classList.add("wc-open");
  state.paused = error.code === "link_paused";
  if (state.paused) state.timer = setTimeout(returnIfIn, RESUMED_LOOK);
}

// Their link has been resumed; they have signed in again in another tab, or somebody else has: this page is theirs from its
// beginning.
async function returnIfIn() {
  clearTimeout(state.timer);
  try {
    if (isIn(await api.get("api/me"))) location.reload();
  } catch {
    if (state.paused) state.timer = setTimeout(returnIfIn, RESUMED_LOOK);
  }
}

/** @param {Me | null} me */
const isIn = (me) => me !== null && (me.person !== null || state.paused);

// Any answer means the server is back; whether it is the same one is for `probe` to find out.
function up() {
  if (!state.online && !state.probing) probe();
}

async function probe() {
  if (state.probing) return;
  clearTimeout(state.timer);
  state.probing = true;
  try {
    back(await api.get("api/me"));
  } catch (error) {
    if (error.offline) state.timer = setTimeout(probe, RETRY);
    else back(null);
  } finally {
    state.probing = false;
  }
}

/** @param {Me | null} me */
function back(me) {
  if (state.out) return void (isIn(me) && location.reload());
  const shown = bar.classList.contains("wc-open");
  clearTimeout(state.show);
  state.online = true;
  bar.classList.remove("wc-open");
  const restarted = me !== null && state.boot !== null && me.boot !== state.boot;
  if (me) state.boot = me.boot;
  if (me) identity.own(me.owner.id);
  if (me && state.version && me.version !== state.version) {
    toast(t("connection.updated"), { action: { label: t("connection.reload"), onclick: () => location.reload() }, seconds: 60 });
  } else if (restarted) {
    toast(t("connection.restarted"));
  } else if (shown) {
    toast(t("connection.back"));
  }
  if (restarted || shown) reload();
}
