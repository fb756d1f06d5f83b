// What the buttons of a message do: one function per `data-act`, given the transcript, the message's view, the button.

import { comparing } from "../compare/choice.js";
import { composer } from "../composer.js";
import { connection } from "../connection.js";
import { copyText, showCopied } from "../copying.js";
import { toggleMenu } from "../dom.js";
import { drafts } from "../drafts.js";
import { errorLine, language } from "../i18n.js";
import { asked, questionsFor } from "../judging/asked.js";
import { look, rate, write as writeBetter } from "../judging/judging.js";
import { outbox } from "../outbox.js";
import { settings } from "../settings.js";
import { storage } from "../storage.js";
import { editor } from "./editor.js";
import { showInfo } from "./info.js";

/** @import { MessageView } from "../message.js" */
/** @import { Transcript } from "../transcript.js" */
/** @import { Against, Entry, Model } from "../types.js" */
/** @import { MenuItem } from "../dom.js" */
/** @typedef {(transcript: Transcript, view: MessageView, button: HTMLElement) => unknown} Action */

const WRAP = "webchat.wrap";

/** @param {Transcript} transcript @param {() => Promise<void>} work */
async function attempt(transcript, work) {
  try {
    await work();
  } catch (error) {
    if (!error.code) throw error;
    transcript.ctx.toast(errorLine(error), { kind: "error" });
  }
}

// While a reply is written, nothing may pull the conversation away under it; what waits to be sent goes first.
/** @param {Transcript} transcript */
function busy(transcript) {
  const unsent = transcript.pending.some(({ state }) => state === "unsent");
  if (!transcript.running && !unsent) return false;
  transcript.ctx.toast(transcript.t(unsent ? "composer.unsent" : "transcript.busy"));
  return true;
}

/** @param {Transcript} transcript @param {HTMLElement} button @param {string} text */
async function write(transcript, button, text) {
  if (!(await copyText(text))) return;
  const words = transcript.t("transcript.copied");
  transcript.say(words);
  showCopied(button, words);
}

// model: another than the one on the screen. against: what answers beside it.
/** @param {Transcript} transcript @param {MessageView} view @param {{ model?: string, against?: Against | null }} [how] */
function again(transcript, view, { model, against = null } = {}) {
  const { id, parent_id: under, conversation_id } = view.record;
  if (busy(transcript)) return;
  transcript.turn({ kind: "regenerate", message_id: id, conversation_id, ...(model ? { model } : {}), ...(against ? { against } : {}) }, { under });
}

// For a person's message that has none.
/** @param {Transcript} transcript @param {MessageView} view */
function reply(transcript, view) {
  const { id, conversation_id } = view.record;
  if (busy(transcript)) return;
  transcript.turn({ kind: "regenerate", message_id: id, conversation_id }, { under: id });
}

/** @param {Transcript} transcript @param {MessageView} view @param {HTMLElement} button */
function regenerate(transcript, view, button) {
  const { t, models } = transcript;
  const { model } = settings;
  const { against } = comparing;
  const others = models.filter(({ key }) => key !== model);
  if (!others.length && !against) return again(transcript, view);
  const choices = [...models.filter(({ key }) => key === model), ...others];
  /** @param {Model} model @returns {MenuItem} */
  const item = ({ key, name }) => ({ label: name, icon: "again", onclick: () => again(transcript, view, { model: key }) });
  /** @param {Against} other */
  const two = (other) => again(transcript, view, { against: other });
  /** @type {MenuItem} */
  const compare = { label: t("compare.again"), icon: "compare", onclick: () => (against ? two(against) : comparing.choose(button, two)) };
  const compares = against !== null || (comparing.offered && !connection.link);
  toggleMenu(button, [{ heading: t("transcript.regenerate_with") }, ...choices.map(item), ...(compares ? /** @type {MenuItem[]} */ (["-", compare]) : [])]);
}

/** @param {Transcript} transcript @param {MessageView} view @param {HTMLElement} button */
function more(transcript, view, button) {
  const { t } = transcript;
  const replied = view.record.role === "assistant";
  const looks = connection.link?.inspect ?? true; // into what the model was sent
  const goesOn = replied && view.record.text && view.record.id === transcript.leafId;
  /** @type {(MenuItem | false | "")[]} */
  const offered = [
    goesOn &&  { label: t("transcript.continue"), icon: "continue", onclick: () => continueReply(transcript, view) },
    hidden(view, "edit") && { label: t("transcript.edit_reply"), icon: "pencil", onclick: () => edit(transcript, view) },
    replied && view.record.text && asked(connection.link).better && { label: t("judge.better"), icon: "pencil", onclick: () => writeBetter(view) },
    replied && (view.record.judged || (view.record.text && questionsFor(connection.link).length > 0)) && { label: t("judge.open"), icon: "chat", onclick: () => look(view) },
    looks && hidden(view, "info") && { label: t("transcript.info"), icon: "info", onclick: () => info(transcript, view, button) },
    looks && replied && { label: t("inspect.open"), icon: "inspect", onclick: () => inspect(transcript, view) },
  ];
  const items = offered.filter((item) => item !== false && item !== "");
  if (items.length) items.push("-");
  items.push({ label: t("transcript.delete"), icon: "trash", danger: true, onclick: () => remove(transcript, view) });
  toggleMenu(button, items);
}

// A button that a narrow screen has no room for.
/** @param {MessageView} view @param {string} act */
function hidden(view, act) {
  const button = view.element.querySelector(`.wc-actions [data-act="${act}"]`);
  return button !== null && button.offsetParent === null;
}

/** @param {Transcript} transcript @param {MessageView} view */
function continueReply(transcript, view) {
  const { id, parent_id: under, conversation_id, text, reasoning } = view.record;
  if (busy(transcript)) return;
  transcript.turn({ kind: "continue", message_id: id, conversation_id }, { under, begun: { text, reasoning } });
}

/** @param {Transcript} transcript @param {MessageView} view */
function remove(transcript, view) {
  const { api, toast } = transcript.ctx;
  const { t } = transcript;
  const { id, conversation_id } = view.record;
  const restore = async () => {
    const thread = await api.post(`api/messages/${id}/restore`);
    if (transcript.conversationId === conversation_id) transcript.showThread(thread);
  };
  attempt(transcript, async () => {
    const thread = await api.delete(`api/messages/${id}`);
    if (transcript.conversationId === conversation_id) {
      transcript.showThread(thread);
      transcript.scroller.focus({ preventScroll: true });
    }
    toast(t("transcript.deleted"), { action: { label: t("transcript.undo"), onclick: () => attempt(transcript, restore) } });
  });
}

/** @param {string} id */
const draftOf = (id) => `edit:${id}`;

// The editor in place of the message, with what was written there before and not sent or discarded.
/** @param {Transcript} transcript @param {MessageView} view @param {HTMLElement | null} [_button] @param {boolean} [focus] */
function edit(transcript, view, _button, focus = true) {
  const { t } = transcript;
  const { api } = transcript.ctx;
  const { id, role, text, parent_id: under, conversation_id } = view.record;
  const user = role === "user";
  if (focus && busy(transcript)) return;
  const { text: begun = text, sent } = drafts.get(draftOf(id)) ?? {};
  const close = () => {
    drafts.put(draftOf(id), null);
    view.replaceBody(null);
    view.element.querySelector('[data-act="edit"]')?.focus({ preventScroll: true });
  };
  /** @param {string} changed */
  const onSave = (changed) => {
    if (changed === text) return close();
    if (busy(transcript)) return;
    if (user) {
      const key = sent?.text === changed ? sent.key : undefined;
      const { against } = comparing;
      if (transcript.turn({ kind: "edit", message_id: id, text: changed, conversation_id, ...(against ? { against } : {}) }, { under, key })) close();
      return;
    }
    attempt(transcript, async () => {
      const thread = await api.post(`api/messages/${id}/edit`, { text: changed });
      close();
      if (transcript.conversationId === conversation_id) transcript.showThread(thread);
    });
  };
  /** @param {string} words */
  const onInput = (words) => drafts.put(draftOf(id), words === text ? null : { text: words, sent });
  const save = t(user ? "transcript.send" : "transcript.save");
  view.replaceBody(editor({ text: begun, save, hint: t("transcript.edit_hint"), focus, onInput, onSave, onCancel: close, t }));
}

/** What was being changed in the conversation, here or in a tab that was closed, is in its editor again. */
/** @param {Transcript} transcript */
export async function resumeEdits(transcript) {
  /** @param {MessageView} [view] */
  const resume = (view) => {
    const draft = view && !view.record.pending && drafts.get(draftOf(view.record.id));
    const box = view?.element.querySelector(".wc-editor textarea");
    if (draft && box?.value !== draft.text) edit(transcript, view, null, false);
  };
  const places = new Map(transcript.messages.map(({ id }) => [draftOf(id), id]));
  await drafts.adopt([...places.keys()], (place) => resume(transcript.views.get(places.get(place) ?? "")));
  transcript.views.forEach((view) => resume(view));
}

/** The words of an entry of the outbox are their writer's again, where they were written; what was written there since stays
 *  behind them. */
/** @param {Transcript} transcript @param {{ key: string }} entry */
export function takeBack(transcript, { key }) {
  const entry = outbox.take(key);
  if (!entry) return;
  const { kind, message_id: id = "", text } = entry.ask;
  const view = kind === "edit" && transcript.views.get(id);
  if (!view) return composer.takeBack(entry);
  const later = drafts.get(draftOf(id))?.text;
  drafts.put(draftOf(id), later ? { text: `${text}\n\n${later}` } : { text, sent: { key, text } });
  edit(transcript, view);
}

/** An edit has arrived that its writer had taken back. */
/** @param {Transcript} transcript @param {Entry} entry */
export function arrived(transcript, { key, ask: { kind, message_id: id = "" } }) {
  if (kind === "edit" && drafts.arrived(draftOf(id), key)) transcript.views.get(id)?.replaceBody(null);
}

/** @param {number} step @returns {Action} */
function version(step) {
  return (transcript, view) => {
    const { siblings, id, conversation_id } = view.record;
    const wanted = siblings[siblings.indexOf(id) + step];
    if (!wanted || busy(transcript)) return;
    attempt(transcript, async () => {
      const thread = await transcript.ctx.api.post(`api/messages/${wanted}/activate`);
      if (transcript.conversationId !== conversation_id) return;
      // What comes before stays where it is on the screen; the end is not run after.
      const anchor = view.element.previousElementSibling ?? transcript.list;
      transcript.end.leave();
      transcript.showThread(thread, anchor);
      const now = transcript.views.get(wanted);
      now?.element.querySelector(`[data-act="${step < 0 ? "older" : "newer"}-version"]`)?.focus({ preventScroll: true });
    });
  };
}

/** @param {Transcript} transcript @param {MessageView} view @param {HTMLElement} button */
function info(transcript, view, button) {
  attempt(transcript, async () => {
    const answer = await transcript.ctx.api.get(`api/messages/${view.record.id}`);
    if (!view.element.isConnected) return; // another conversation is on the screen
    showInfo(button, answer, transcript.t, language, () => inspect(transcript, view));
  });
}

/** @param {Transcript} transcript @param {MessageView} view */
async function inspect(transcript, view) {
  const { openInspect } = await import("../inspect/inspect.js");
  openInspect(view.record, transcript.ctx);
}

/** @param {Transcript} transcript @param {MessageView} _view @param {HTMLElement} button */
function unfold(transcript, _view, button) {
  const folded = button.parentElement?.classList.toggle("wc-folded") ?? false;
  button.setAttribute("aria-expanded", String(!folded));
  button.textContent = transcript.t(folded ? "transcript.show_more" : "transcript.show_less");
}

/** @param {Transcript} transcript */
function wrap(transcript) {
  storage.set(WRAP, transcript.list.classList.toggle("wc-wrap"));
}

/** What the reader chose before, on the element that holds the messages. */
/** @param {HTMLElement} list */
export function applyChoices(list) {
  list.classList.toggle("wc-wrap", storage.get(WRAP) === true);
}

/** @type {Record<string, Action>} */
export const actions = {
  copy: (transcript, view, button) => write(transcript, button, view.record.text),
  "copy-code": (transcript, _view, button) => write(transcript, button, button.closest(".wc-code")?.querySelector("code")?.textContent.replace(/\n$/, "") ?? ""),
  wrap,
  unfold,
  edit,
  regenerate,
  retry: (transcript, view) => again(transcript, view),
  "send-again": (_transcript, { record }) => record.pending && outbox.retry(record.pending.key),
  "send-edit": (transcript, { record }) => record.pending && takeBack(transcript, record.pending),
  "send-cancel": (_transcript, { record }) => record.pending && outbox.take(record.pending.key),
  continue: continueReply,
  reply,
  more,
  info,
  "older-version": version(-1),
  "newer-version": version(1),
  "rate-up": (_transcript, view) => rate(view, 1),
  "rate-down": (_transcript, view) => rate(view, -1),
};
