// Judging a reply: its thumbs, the panel below it, and the answer that a person would have given.

import { api } from "../api.js";
import { editor } from "../conversation/editor.js";
import { drafts } from "../drafts.js";
import { errorLine, t } from "../i18n.js";
import { toast } from "../toast.js";
import { panel, savings, send } from "./panel.js";

/** @import { Judgement, JudgementBody } from "../types.js" */
/** @import { MessageView } from "../message.js" */

/** @param {string} id */
const addressOf = (id) => `api/messages/${id}/judgement`;
/** @param {string} id */
const draftOf = (id) => `better:${id}`;

// How often each reply was rated, so that a late answer takes no newer one back.
/** @type {WeakMap<MessageView, number>} */
const rounds = new WeakMap();

/** Press a thumb; pressed again, it takes the rating and its reasons back. A better answer stays. */
/** @param {MessageView} view @param {-1 | 1} value */
export async function rate(view, value) {
  const before = view.record.rating;
  const rating = before === value ? 0 : value;
  const round = (rounds.get(view) ?? 0) + 1;
  rounds.set(view, round);
  view.update({ ...view.record, rating });
  if (!rating) place(view, null);
  /** @type {JudgementBody} */
  const body = rating ? { rating } : { rating, reasons: [], comment: "" };
  try {
    const judgement = await send(view, body);
    if (rounds.get(view) !== round) return;
    if (rating) show(view, judgement, { from: value < 0 ? "rate-down" : "rate-up" });
    else view.update({ ...view.record, judged: judgement.at !== null });
  } catch (error) {
    if (rounds.get(view) === round) view.update({ ...view.record, rating: before });
    complain(error);
  }
}

/** Show again what was said of a reply. */
/** @param {MessageView} view */
export async function look(view) {
  try {
    show(view, await api.get(addressOf(view.record.id)), { focus: true });
  } catch (error) {
    complain(error);
  }
}

/** Write a better answer, in the place of the reply. */
/** @param {MessageView} view @param {string} [before] the one that was written already @param {string} [from] as for `show` */
export async function write(view, before, from) {
  const { id, text } = view.record;
  try {
    before ??= (await api.get(addressOf(id))).better;
  } catch (error) {
    return complain(error);
  }
  const begun = drafts.get(draftOf(id))?.text ?? (before || text);
  const close = () => {
    drafts.put(draftOf(id), null);
    view.replaceBody(null);
    focus(view, from);
  };
  /** @param {string} better */
  const onSave = async (better) => {
    if (better === text && !before) return close();
    if (await keep(view, better === text ? "" : better, from)) close();
  };
  /** @param {string} words */
  const onInput = (words) => drafts.put(draftOf(id), { text: words });
  view.replaceBody(editor({ text: begun, save: t("judge.better_save"), hint: t("judge.better_hint"), onInput, onSave, onCancel: close, t }));
}

/** @param {MessageView} view @param {string} better @param {string} [from] */
async function keep(view, better, from) {
  await savings.get(view)?.settled(); // or the answer would be without it
  try {
    show(view, await send(view, { better }), { from, focus: true });
    return true;
  } catch (error) {
    complain(error);
    return false;
  }
}

/** from: the button that the panel was opened with. focus: move it into the panel. */
/** @param {MessageView} view @param {Judgement} judgement @param {{ from?: string, focus?: boolean }} how */
function show(view, judgement, { from, focus: moves }) {
  const { rating, better } = judgement;
  view.update({ ...view.record, rating, judged: judgement.at !== null });
  const close = () => {
    view.element.querySelector(`[data-act="${from ?? "more"}"]`)?.focus({ preventScroll: true }); // first: what was typed is saved
    place(view, null);
  };
  const remove = async () => {
    if (!(await keep(view, "", from))) return;
    toast(t("judge.better_removed"), { action: { label: t("judge.undo"), onclick: () => keep(view, better, from) } });
  };
  place(view, panel(view, judgement, { write: () => write(view, better, from), remove, close }), close);
  if (moves) focus(view, from);
}

// Escape closes the panel from the buttons of its reply, too.
/** @param {MessageView} view @param {HTMLElement | null} element @param {() => void} [close] */
function place(view, element, close) {
  view.showBelow(element);
  view.element.onkeydown = element && ((event) => {
    if (event.key !== "Escape" || event.isComposing) return;
    event.preventDefault();
    event.stopPropagation();
    close?.();
  });
}

/** @param {MessageView} view @param {string} [from] */
function focus(view, from = "more") {
  const { element } = view;
  (element.querySelector(".wc-judge") ?? element.querySelector(`[data-act="${from}"]`))?.focus({ preventScroll: true });
}

/** @param {any} error */
function complain(error) {
  if (!error.code) throw error;
  toast(errorLine(error), { kind: "error" });
}
