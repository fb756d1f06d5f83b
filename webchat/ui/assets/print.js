// The conversation on paper: all its messages under title and date, and nothing of the page around them.

import { api } from "./api.js";
import { settled } from "./conversation/extras.js";
import { slices } from "./conversation/slices.js";
import { h } from "./dom.js";
import { language, t } from "./i18n.js";
import { MessageView } from "./message.js";
import { toast } from "./toast.js";

/** @import { Transcript } from "./transcript.js" */
/** @import { Conversation, ShownMessage, Thread } from "./types.js" */

const PAGE = 200;

/** @type {HTMLElement | null} what is printed, while it is on the page */
let paper = null;
/** @type {MessageView[]} */
let views = [];

// Printing that did not begin here, from the browser's own menu, cannot wait for the server: it gets what is on the
// page, and says so where that is not all.
/** @param {Transcript} transcript */
export function mountPrinting(transcript) {
  window.addEventListener("beforeprint", () => {
    if (paper || !transcript.conversation) return;
    lay(transcript.conversation, shown(transcript), !transcript.older);
    slices.finish();
  });
  window.addEventListener("afterprint", clear);
}

// All messages of the conversation on the page, loaded as far as that works.
/** @param {Transcript} transcript */
export async function printChat(transcript) {
  const { conversation, conversationId: id } = transcript;
  if (!conversation) return window.print();
  const done = toast(t("print.loading"), { seconds: 60 });
  const { messages, whole } = await load(transcript, id);
  clear();
  lay(conversation, messages, whole);
  await settled(); // code and formulas are set by libraries that may still be on their way
  await document.fonts.ready;
  done();
  if (transcript.conversationId === id) window.print();
  else clear();
}

/** @param {Transcript} transcript @param {string | null} id */
async function load(transcript, id) {
  /** @type {ShownMessage[]} */
  let messages = [];
  let before = null;
  try {
    do {
      /** @type {Thread} */
      const page = await api.get(`api/conversations/${id}`, { before, limit: PAGE });
      messages = [...page.messages, ...messages];
      before = page.older;
    } while (before);
    return { messages, whole: true };
  } catch {
    const here = shown(transcript);
    return messages.length > here.length ? { messages, whole: false } : { messages: here, whole: !transcript.older };
  }
}

/** @param {Transcript} transcript */
function shown(transcript) {
  return transcript.messages.filter((message) => !message.pending);
}

/** @param {Conversation} conversation @param {ShownMessage[]} messages @param {boolean} whole */
function lay(conversation, messages, whole) {
  views = messages.map((message) => new MessageView(message, t));
  const dates = new Intl.DateTimeFormat(language, { dateStyle: "long" });
  const date = dates.formatRange(new Date(conversation.created_at), new Date(conversation.updated_at));
  paper = h(
    "div",
    { class: "wc-print" },
    h("h1", { dir: "auto" }, conversation.title || t("app.untitled")),
    h("p", { class: "wc-print-about" }, h("time", { datetime: conversation.updated_at }, date)),
    whole ? null : h("p", { class: "wc-print-note" }, t("print.part")),
    h("div", { class: "wc-transcript" }, h("div", { class: "wc-thread" }, views.map((view) => view.element))),
  );
  document.documentElement.classList.add("wc-printing");
  document.body.append(paper);
}

function clear() {
  for (const view of views) view.destroy();
  views = [];
  paper?.remove();
  paper = null;
  document.documentElement.classList.remove("wc-printing");
}
