// The page of somebody who came by a tester's link: what the link says is shown, and the page offers nothing beyond it.
// What it says is read anew whenever a reply has ended, never by the clock.

import { api } from "../api.js";
import { bus } from "../bus.js";
import { connection } from "../connection.js";
import { h, the } from "../dom.js";
import { errorLine, t } from "../i18n.js";
import { toast } from "../toast.js";
import { askedOnce, consents, mayPrompt, unanswered, usedUp } from "./link.js";

/** @import { Child } from "../dom.js" */
/** @import { Failure, GuestLink } from "../types.js" */

const CHANGED_WITHIN = 1000; // ms in which a changed link is known everywhere on the server
const root = document.documentElement;

const card = h("section", { class: "wc-tester-card", "aria-live": "polite" });
const questions = h("button", { type: "button", class: "wc-tester-questions", onclick: showQuestions });
let declined = 0; // version of the terms that were declined on this page
let drawn = "";
let asked = 0; // counts what is asked for: an answer is drawn over no newer one

export function mountTester() {
  the("#wc-composer-box").before(card);
  the("#wc-topbar-end-part").prepend(questions);
  bus.on("me", draw);
  bus.on("news", ({ type }) => type === "ended" && reload());
  bus.on("outbox", ({ what, entry, answer }) => {
    if (answer?.left && connection.link) {
      asked += 1;
      connection.link = { ...connection.link, left: answer.left };
    }
    if (what !== "refused" || !entry.why || !isOfLink(entry.why)) return;
    reload();
    setTimeout(reload, CHANGED_WITHIN);
  });
  document.addEventListener("visibilitychange", () => !document.hidden && reload());
  draw();
}

// What the link says now. What cannot be had is as it was.
async function reload() {
  const mine = (asked += 1);
  const link = await api.get("api/link").catch(() => null);
  if (link && mine === asked) connection.link = link;
}

/** @param {Failure} failure */
const isOfLink = ({ code }) => code.startsWith("link_") || code.startsWith("consent_");

function draw() {
  const { link } = connection;
  if (!link) return;
  root.classList.toggle("wc-no-prompts", !mayPrompt(link));
  root.classList.toggle("wc-not-inspected", !link.inspect);
  root.classList.toggle("wc-not-rated", !link.asks.includes("thumbs"));
  const open = unanswered(link);
  questions.hidden = !askedOnce(link).length || !consents(link);
  questions.textContent = open ? t("tester.open", { count: open }) : t("tester.answers");
  const state = JSON.stringify([link.consent, declined, usedUp(link), open]);
  if (state === drawn) return;
  drawn = state;
  const content = cardOf(link);
  card.replaceChildren(...content);
  card.hidden = !content.length;
}

/** @param {number} open */
function questionsLabel(open) {
  if (!open) return t("tester.answers");
  return t("tester.questions", { count: open });
}

// What is said above the message box; nothing while one may simply write.
/** @param {GuestLink} link @returns {Node[]} */
function cardOf(link) {
  const { consent } = link;
  if (consent && !consents(link)) return declined === consent.version ? declinedCard() : consentCard(consent);
  if (usedUp(link)) return said(t("tester.used_up_title"), t("tester.used_up_hint"), askedOnce(link).length > 0 && button(questionsLabel(unanswered(link)), showQuestions, "wc-primary"));
  return [];
}

/** @param {string} title @param {string} words @param {...Child} ways */
function said(title, words, ...ways) {
  return [h("h2", {}, title), h("p", { dir: "auto" }, words), h("div", { class: "wc-ways" }, ways)];
}

/** @param {string} label @param {(event: any) => unknown} onclick @param {string} [kind] */
function button(label, onclick, kind = "") {
  return h("button", { type: "button", class: `wc-button ${kind}`, onclick }, label);
}

/** @param {NonNullable<GuestLink["consent"]>} consent */
function consentCard({ text, version }) {
  const decline = () => {
    declined = version;
    draw();
    card.querySelector("button")?.focus({ preventScroll: true });
  };
  return said(t("tester.consent_title"), text, button(t("tester.accept"), (event) => accept(version, event.currentTarget), "wc-primary"), button(t("tester.decline"), decline));
}

function declinedCard() {
  const again = () => {
    declined = 0;
    draw();
    card.querySelector("button")?.focus({ preventScroll: true });
  };
  return said(t("tester.consent_title"), t("tester.declined"), button(t("tester.read_again"), again));
}

/** @param {number} version @param {HTMLButtonElement} pressed */
async function accept(version, pressed) {
  pressed.disabled = true;
  try {
    await api.post("api/consent", { version });
    await reload();
    the("#wc-composer-text textarea").focus({ preventScroll: true });
  } catch (error) {
    toast(errorLine(error), { kind: "error" });
    await reload(); // the terms may have changed meanwhile
  } finally {
    pressed.disabled = false;
  }
}

async function showQuestions() {
  const { openQuestions } = await import("./questions.js");
  await openQuestions();
}
