// The bar that says the server is away, and what happens when it is back.

import { api } from "./api.js";
import { bus } from "./bus.js";
import { h } from "./dom.js";
import { errorLine, t } from "./i18n.js";
import { identity } from "./identity.js";
import { toast } from "./toast.js";

const RETRY = 2000;
const SHOW_AFTER = 1000; // a hiccup shorter than this is nobody's business

const state = { online: true, me: {}, boot: null, version: null, bar: null, reload: null, timer: null, show: null };

// reload: called when the server is another one than before.
export function mountConnection(bar, reload) {
  state.bar = bar;
  state.reload = reload;
  bus.on("connection", ({ online }) => (online ? up() : down()));
  bus.on("out", out);
  window.addEventListener("online", probe);
  window.addEventListener("offline", down);
  document.addEventListener("visibilitychange", () => !document.hidden && !state.online && probe());
}

export const connection = {
  // The answer of api/me: who this is; empty until it is there.
  get me() {
    return state.me;
  },

  // Whether the link of this visitor has ended: what is on the page stays, and nothing more comes.
  get out() {
    return Boolean(state.out);
  },

  set me(me) {
    identity.own(me.owner.id);
    state.me = me;
    state.boot = me.boot;
    state.version ??= me.version;
  },
};

function down() {
  if (!state.online || state.out) return;
  state.online = false;
  state.show = setTimeout(() => {
    state.bar.textContent = t(navigator.onLine ? "connection.lost" : "connection.offline");
    state.bar.classList.add("wc-open");
  }, SHOW_AFTER);
  state.timer = setTimeout(probe, RETRY);
}

// The link this visitor came by has ended: said for good, with the reason; what is on the page can still be read.
function out({ error }) {
  state.out = true;
  clearTimeout(state.show);
  clearTimeout(state.timer);
  state.bar.replaceChildren(errorLine(error));
  if (error.code === "no_cookie" && top !== window) state.bar.append(" ", h("a", { href: location.href, target: "_blank", rel: "noopener" }, t("app.open_alone")));
  state.bar.classList.add("wc-open");
}

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

function back(me) {
  if (state.out) return;
  const shown = state.bar.classList.contains("wc-open");
  clearTimeout(state.show);
  state.online = true;
  state.bar.classList.remove("wc-open");
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
  if (restarted || shown) state.reload();
}
