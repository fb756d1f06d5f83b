// Continuing on another device: a code, where it is to be entered, and how long it works.

import { api } from "../api.js";
import { h, iconButton, showDialog } from "../dom.js";
import { errorLine, language, t } from "../i18n.js";
import { until } from "../times.js";

/** @import { Handover } from "../types.js" */

const TICK = 1000; // ms

export async function showHandover() {
  if (document.querySelector(".wc-handover")) return;
  const body = h("div", { class: "wc-handover-body", "aria-live": "polite" });
  const head = h("div", { class: "wc-dialog-head" }, h("h2", {}, t("tester.handover")), iconButton("close", t("app.close"), () => dialog.close()));
  const dialog = showDialog("wc-handover", t("tester.handover"), head, body);
  let timer = 0;
  dialog.addEventListener("close", () => clearInterval(timer));
  await fresh();

  async function fresh() {
    clearInterval(timer);
    body.replaceChildren(h("p", { class: "wc-muted" }, t("sidebar.loading")));
    try {
      show(await api.post("api/handover"));
    } catch (error) {
      body.replaceChildren(h("p", { role: "alert" }, errorLine(error)), again(t("app.retry")));
    }
  }

  /** @param {string} label */
  function again(label) {
    return h("button", { type: "button", class: "wc-button wc-primary", onclick: fresh }, label);
  }

  /** @param {Handover} made */
  function show({ code, url, qr, expires_at: end }) {
    const left = h("p", { class: "wc-muted" });
    const ticking = () => {
      const now = new Date();
      left.textContent = t("tester.handover_ends", { time: until(end, now, language) });
      if (Date.parse(end) > now.getTime()) return;
      clearInterval(timer);
      body.replaceChildren(h("p", {}, t("tester.handover_expired")), again(t("tester.handover_again")));
    };
    // As a picture, in which nothing runs.
    const picture = h("img", { class: "wc-handover-qr", alt: t("tester.handover_picture"), src: `data:image/svg+xml,${encodeURIComponent(qr)}` });
    body.replaceChildren(h("p", {}, t("tester.handover_how")), h("p", { class: "wc-handover-address" }, url), h("output", { class: "wc-handover-code", "aria-label": t("tester.handover_code") }, code), picture, left);
    timer = setInterval(ticking, TICK);
    ticking();
  }
}
