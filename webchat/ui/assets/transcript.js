// The conversation on the page: loads it, shows it, sends, follows replies, keeps step with other tabs.
//
//   const transcript = mountTranscript(element, {api, t, bus, toast, language});
//   transcript.send("Hello");   // the outbox has the words when it returns

import { ComparisonView } from "./compare/view.js";
import { connection } from "./connection.js";
import { h } from "./dom.js";
import { drawer } from "./drawer.js";
import { errorLine, errorText } from "./i18n.js";
import { Line } from "./follow.js";
import { isRunning, MessageView } from "./message.js";
import { outbox } from "./outbox.js";
import { stops } from "./stops.js";
import { actions, applyChoices, arrived, resumeEdits, takeBack } from "./conversation/actions.js";
import { placeText } from "./conversation/format.js";
import { icon } from "./conversation/icons.js";
import { endedBy, withUnanswered } from "./conversation/note.js";
import { replyIdOf, upTo, userIdOf, withPending } from "./conversation/pending.js";
import { EndKeeper } from "./conversation/scroll.js";
import { trouble } from "./conversation/trouble.js";
import { welcome } from "./conversation/welcome.js";
import { settings } from "./settings.js";
import { openingMessage, saysSomething, testerWelcome } from "./tester/welcome.js";

/** @import { Ask, BegunTurn, Conversation, Entry, Events, Failure, Message, Model, News, ShownMessage, GuestLink, Thread, Translate } from "./types.js" */
/** @import { api } from "./api.js" */
/** @import { bus } from "./bus.js" */
/** @import { toast } from "./toast.js" */
/** @typedef {{ api: typeof api, t: Translate, bus: typeof bus, toast: typeof toast, language: string, newChat(): void, trash(): void }} Context */

const PAGE = 30;
const POLL = 5000; // while the server does not tell by itself what happens
const PLACE_PAUSE = 15_000; // ms between two places in line that are read out
const SPOKEN = 1500; // characters of a finished reply that are read out

/** @param {HTMLElement} element @param {Context} ctx */
export function mountTranscript(element, ctx) {
  return new Transcript(element, ctx);
}

export class Transcript {
  /** @type {string | null} */
  conversationId = null;
  /** @type {Conversation | null} */
  conversation = null;
  /** @type {ShownMessage[]} records the server has, in reading order */
  messages = [];
  /** @type {Entry[]} entries of the outbox that are shown */
  pending = [];
  /** @type {string | null} cursor of what comes before */
  older = null;
  /** @type {Model[]} */
  models = [];
  /** @type {Map<string, MessageView>} */
  views = new Map();
  /** @type {Map<string, () => void>} */
  #following = new Map();
  #visit = 0; // counts what was opened: answers to an earlier visit are dropped
  #answers = 0; // turns that were answered: what was read before such an answer is old
  #asked = 0; // counts what is asked for again; #drawn: up to which of these the screen is
  #drawn = 0;
  /** @type {Set<string>} */
  #sent = new Set(); // keys of what was sent or shown in this visit
  #loadingOlder = false;
  #told = "";
  #emptyFor = ""; // what the place of a conversation that has not begun was drawn for
  /** @type {{ id?: string, place?: number, at: number }} */
  #placeSaid = { at: 0 }; // {id, place, at}: the place in line that was read out last
  /** @type {Set<string>} */
  #behind = new Set(); // what happened while it could not be shown: ids of replies that began, or "changed"
  /** @type {Set<string>} */
  #begun = new Set(); // ids of running replies that were asked for in this tab

  list = h("div", { class: "wc-thread", role: "log", "aria-live": "off" });
  olderButton = h("button", { type: "button", class: "wc-older", hidden: true, onclick: () => this.loadOlder() });
  placeholder = h("div", { class: "wc-placeholder", hidden: true });
  status = h("div", { class: "wc-visually-hidden", role: "status", "aria-live": "polite" });
  #opening = h("div", { hidden: true });
  #openedWith = ""; // what stands in it
  #content = h("div", { class: "wc-column" }, this.olderButton, this.placeholder, this.#opening, this.list);
  scroller = h("div", { class: "wc-scroller", tabindex: "-1" }, this.#content);
  #jump = h("button", { type: "button", class: "wc-jump", hidden: true }, icon("arrowDown"));
  end = new EndKeeper(this.scroller, this.#content, () => (this.#jump.hidden = this.end.atEnd || this.end.distance < 80));
  #nearOlder = new IntersectionObserver((entries) => entries.at(-1)?.isIntersecting && !this.end.atEnd && this.loadOlder(), {
    root: this.scroller,
    rootMargin: "400px 0px 0px",
  });

  /** @param {HTMLElement} element @param {Context} ctx */
  constructor(element, ctx) {
    this.ctx = ctx;
    this.t = ctx.t;
    this.#build(element);
    ctx.bus.on("open", (detail) => this.#open(detail));
    ctx.bus.on("owner", ({ before }) => before === "" && resumeEdits(this));
    ctx.bus.on("out", ({ error }) => this.#putOut(error));
    ctx.bus.on("models", ({ models }) => (this.models = models.filter(({ unlisted }) => !unlisted)));
    for (const event of /** @type {const} */ (["me", "models", "settings"])) ctx.bus.on(event, () => (this.#drawEmpty(), this.#drawOpening()));
    ctx.bus.on("outbox", (detail) => this.#onOutbox(detail));
    this.line = new Line(ctx.api.url("api/events"), { onLine: (line) => this.#onLine(line), onNews: (news) => this.#onNews(news) });
    document.addEventListener("visibilitychange", () => this.#onVisible());
    setInterval(() => (!this.line.open || this.#behind.size) && this.#poll(), POLL);
  }

  // --- what others ask --------------------------------------------------------------------------------------

  get leafId() {
    return this.messages.at(-1)?.id ?? null;
  }

  // The record of the reply that is being written, or is on its way to be.
  get running() {
    return [...this.views.values()].findLast((view) => view.running)?.record ?? null;
  }

  get loaded() {
    return this.conversationId === null || this.conversation !== null;
  }

  scrollToEnd() {
    this.end.toEnd({ smooth: true });
  }

  /** Whether the conversation waits for a vote on two replies. */
  get comparing() {
    return [...this.views.values()].some((view) => view instanceof ComparisonView && view.open);
  }

  /** key: of the same message, when it comes back unchanged from its writer. against: what answers beside the model. */
  /** @param {string} text @param {{ template?: Ask["template"], key?: string, against?: Ask["against"] }} [options] */
  send(text, { template = null, key, against = null } = {}) {
    /** @type {Ask} */
    const ask = { kind: "send", conversation_id: this.conversationId, parent_id: this.leafId, text, ...(template ? { template } : {}), ...(against ? { against } : {}) };
    return this.turn(ask, { under: this.leafId, key });
  }

  /** Ask for a turn with the settings on the screen, and show at once what it will make, under message `under`. Returns
   *  the entry of the outbox, which has it now; null when a setting is none. */
  /** @param {Ask} ask @param {{ under: string | null, begun?: Entry["begun"], key?: string }} place */
  turn(ask, { under, begun, key }) {
    if (!drawer.flush()) {
      this.ctx.toast(this.t("composer.bad_setting"), { kind: "error" });
      return null;
    }
    const entry = outbox.add({ ...settings.forAsk(), ...ask }, { under, begun, key });
    this.#sent.add(entry.key);
    this.#draw();
    this.end.toEnd();
    return entry;
  }

  async stop() {
    const { running } = this;
    if (running?.pending) outbox.stop(running.pending.key);
    else if (running) await stops.want(running.id);
  }

  /** Show a {conversation, messages, older} answer; `anchor` keeps its place on the screen. asked: which `refresh` it answers;
   *  otherwise it is newer than what all of them asked for. */
  /** @param {Thread} thread @param {Element | null} [anchor] @param {number} [asked] */
  showThread({ conversation, messages, older }, anchor = null, asked = this.#asked) {
    this.#drawn = asked;
    const { messages: shown } = this;
    const first = messages[0];
    const at = first ? shown.findIndex((message) => message.id === first.id || message.id === first.parent_id) : -1;
    const earlier = at < 0 ? [] : shown.slice(0, shown[at].id === first.id ? at : at + 1);
    this.older = earlier.length ? this.older : older;
    this.conversationId = conversation.id;
    this.#conversationIs(conversation);
    this.end.holding(anchor, () => this.#show([...earlier, ...messages]));
  }

  /** Ask for the conversation again and show what is new. */
  async refresh() {
    if (this.conversationId === null || this.list.querySelector(".wc-editor")) return;
    const since = this.#now;
    const asked = (this.#asked += 1);
    const behind = [...this.#behind];
    try {
      const thread = await this.#read(this.conversationId);
      if (since !== this.#now || asked <= this.#drawn) return; // what it is behind by stays for the next poll
      for (const id of behind) this.#behind.delete(id);
      this.showThread(thread, null, asked);
    } catch {
      // the next poll, or the bar that says the server is away
    }
  }

  /** Say something to a screen reader; what is said replaces what was. */
  /** @param {string} text */
  say(text) {
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  // --- opening and reading on -------------------------------------------------------------------------------

  /** @param {Events["open"]} place */
  async #open({ id, messageId = null }) {
    if (id !== null && id === this.conversationId && this.messages.length) {
      if (messageId) await this.#goTo(messageId);
      else await this.refresh();
      return;
    }
    if (id === null && this.conversationId === null) return this.#show([]); // what was sent from here stays in sight
    this.#leave();
    const visit = this.#visit;
    this.conversationId = id;
    if (id === null) {
      this.#show([]);
      return;
    }
    const loading = () => visit === this.#visit && this.#placeholder(h("p", { class: "wc-muted" }, this.t("transcript.loading")));
    const slow = setTimeout(loading, 250);
    try {
      const thread = await this.#read(id);
      if (visit !== this.#visit) return;
      this.showThread(thread);
      resumeEdits(this);
      this.end.toEnd();
      if (messageId) await this.#goTo(messageId);
    } catch (error) {
      if (visit === this.#visit) this.#loadFailed(error, { id, messageId });
    } finally {
      clearTimeout(slow);
    }
  }

  #leave() {
    this.#visit += 1;
    this.#loadingOlder = false;
    this.#following.forEach((stop) => stop());
    this.#following.clear();
    this.views.forEach((view) => view.destroy());
    this.views.clear();
    this.messages = [];
    this.pending = [];
    this.#sent.clear();
    this.older = null;
    this.conversation = null;
    this.#told = "";
    this.say("");
    this.#placeholder(null);
    this.end.atEnd = true;
    this.ctx.bus.emit("shown");
  }

  /** @param {Failure} error @param {Events["open"]} detail */
  #loadFailed(error, detail) {
    if (error.status === 404) this.ctx.bus.emit("unknown", detail);
    const { message, cure } = errorText(error);
    const button = (/** @type {string} */ words, /** @type {() => void} */ onclick, kind = "") => h("button", { type: "button", class: `wc-button ${kind}`, onclick }, words);
    const { newChat, trash } = this.ctx;
    // What is not there does not come by asking again.
    const ways =
      error.status === 404
        ? [button(this.t("app.new_chat"), newChat, "wc-primary"), button(this.t("trash.title"), trash)]
        : [button(this.t("transcript.retry"), () => ((this.messages = []), this.#open(detail)))];
    const words = error.status === 404 ? [this.t("transcript.unknown"), this.t("transcript.unknown_hint")] : [message || this.t("transcript.load_failed"), cure];
    this.#placeholder(h("div", { role: "alert" }, h("p", {}, words[0]), h("p", { class: "wc-muted" }, words[1]), h("div", { class: "wc-ways" }, ways)));
  }

  /** @param {string} messageId */
  async #goTo(messageId) {
    const visit = this.#visit;
    while (!this.views.has(messageId) && this.older && (await this.loadOlder()));
    if (visit !== this.#visit) return; // another conversation was opened meanwhile
    if (!this.views.has(messageId)) {
      try {
        const thread = await this.ctx.api.post(`api/messages/${messageId}/activate`);
        if (visit !== this.#visit) return;
        this.showThread(thread);
        while (!this.views.has(messageId) && this.older && (await this.loadOlder()));
      } catch {
        return; // it was deleted meanwhile: the conversation is open, which is the better half
      }
    }
    const element = this.views.get(messageId)?.element;
    if (!element) return;
    this.end.leave();
    element.scrollIntoView({ block: "start", behavior: "instant" });
    element.classList.add("wc-found");
    setTimeout(() => element.classList.remove("wc-found"), 2500);
  }

  /** Earlier messages, above those shown. False when none came. */
  async loadOlder() {
    if (!this.older || this.#loadingOlder) return false;
    const visit = this.#visit;
    const before = this.older;
    this.#loadingOlder = true;
    this.olderButton.textContent = this.t("transcript.older_loading");
    try {
      const thread = await this.ctx.api.get(`api/conversations/${this.conversationId}`, { before, limit: PAGE });
      if (visit !== this.#visit || before !== this.older) return false;
      this.older = thread.older;
      const known = new Set(this.messages.map((message) => message.id));
      const earlier = thread.messages.filter((message) => !known.has(message.id));
      this.end.holding(this.list.firstElementChild, () => this.#show([...earlier, ...this.messages]));
      this.#nearOlder.unobserve(this.olderButton); // looked at anew: an observer tells of changes only
      this.#nearOlder.observe(this.olderButton);
      return earlier.length > 0;
    } catch (error) {
      this.ctx.toast(errorText(error).message, { kind: "error" });
      return false;
    } finally {
      if (visit === this.#visit) this.#loadingOlder = false;
      this.olderButton.textContent = this.t("transcript.older");
    }
  }

  // Read again where settings were saved meanwhile, since what was read may be older than them.
  /** @param {string} id @returns {Promise<Thread>} */
  async #read(id, limit = PAGE) {
    const { saved } = settings;
    const thread = await this.ctx.api.get(`api/conversations/${id}`, { limit });
    return saved === settings.saved ? thread : this.#read(id, limit);
  }

  async #poll() {
    if (document.hidden || this.conversationId === null) return;
    const since = this.#now;
    try {
      const { conversation, messages } = await this.#read(this.conversationId, 1);
      if (since !== this.#now) return;
      const leaf = messages.at(-1);
      const shown = leaf && this.views.get(leaf.id)?.record;
      const same = leaf ? this.leafId === leaf.id && shown && (shown.state === leaf.state || (isRunning(shown) && this.line.open)) : !this.messages.length;
      if (!same || this.#isBehind || shown?.siblings.length !== leaf?.siblings.length) await this.refresh();
      else if (conversation.title !== this.conversation?.title) this.#conversationIs(conversation);
    } catch {
      // the server is away: the bar above says so
    }
  }

  // --- what happens elsewhere -------------------------------------------------------------------------------

  /** @param {{ open: boolean, gap: boolean }} line */
  #onLine({ open, gap }) {
    this.ctx.bus.emit("connection", { online: open });
    if (open && gap) this.#poll();
  }

  /** @param {News} news */
  #onNews(news) {
    const { type, conversation_id: conversation, message_id: id = "" } = news;
    this.ctx.bus.emit("news", news);
    if (type === "ended" && document.hidden && (this.#begun.has(id) || this.#following.has(id))) this.ctx.bus.emit("notice", { on: true });
    if (type === "ended") this.#begun.delete(id);
    if ((conversation && conversation !== this.conversationId) || this.views.has(id)) return; // without one: any of them
    this.#behind.add(id || "changed");
    if (!document.hidden) this.refresh();
  }

  // What began here while the answer was on its way is on the screen by now.
  get #isBehind() {
    for (const id of this.#behind) if (this.views.has(id)) this.#behind.delete(id);
    return this.#behind.size > 0;
  }

  #onVisible() {
    if (document.hidden) return;
    this.ctx.bus.emit("notice", { on: false });
    this.#poll();
  }

  // --- showing ----------------------------------------------------------------------------------------------

  /** @param {HTMLElement} element */
  #build(element) {
    this.list.setAttribute("aria-label", this.t("transcript.label"));
    applyChoices(this.list);
    this.olderButton.textContent = this.t("transcript.older");
    this.#jump.title = this.t("transcript.latest");
    this.#jump.setAttribute("aria-label", this.#jump.title);
    element.replaceChildren(h("div", { class: "wc-transcript" }, this.scroller, this.#jump, this.status));
    this.#jump.addEventListener("click", () => this.scrollToEnd());
    this.list.addEventListener("click", (event) => this.#onClick(event));
    this.#nearOlder.observe(this.olderButton);
  }

  /** @param {ShownMessage[]} records */
  #show(records) {
    this.messages = records;
    this.#draw();
  }

  // What the server has, and what it does not have yet. What a new chat sent before this visit shows once it waits.
  #draw() {
    const waiting = outbox.at(this.conversationId);
    this.pending = this.loaded ? waiting.filter((entry) => this.conversationId !== null || entry.state !== "sending" || this.#sent.has(entry.key)) : [];
    for (const { key } of this.pending) this.#sent.add(key);
    const records = withPending(this.messages, this.pending);
    const wanted = new Map(records.map((record) => [record.id, record]));
    // After a vote the conversation may show the other side of what is drawn already.
    for (const [id, view] of this.views) if (view instanceof ComparisonView && !wanted.has(id)) this.#rename(id, [...wanted.keys()].find((one) => view.has(one)));
    for (const [id, view] of this.views) {
      const record = wanted.get(id);
      if (record && this.#fits(view, record, record === records.at(-1))) continue;
      this.#unfollow(id);
      view.destroy();
      this.views.delete(id);
    }
    let place = this.list.firstElementChild;
    for (const record of withUnanswered(records)) {
      let view = this.views.get(record.id);
      if (view) view.update(record);
      else this.views.set(record.id, (view = record.compared ? this.#comparison(record) : new MessageView(record, this.t, (text) => this.say(text))));
      if (view.element === place) place = place.nextElementSibling;
      else this.list.insertBefore(view.element, place);
      if (view.running && !record.pending && !(view instanceof ComparisonView)) this.#follow(view);
    }
    this.olderButton.hidden = !this.older;
    this.end.follows = records.length > 0;
    if (records.length) this.#placeholder(null);
    this.#drawEmpty({ anew: true });
    this.#drawOpening();
    this.ctx.bus.emit("shown");
    this.#emitLeaf();
  }

  // Two replies that are compared are one view, in place of that which the conversation shows.
  /** @param {MessageView} view @param {ShownMessage} record @param {boolean} last */
  #fits(view, record, last) {
    return view instanceof ComparisonView ? view.takes(record, last) : !record.compared;
  }

  /** @param {ShownMessage} record */
  #comparison(record) {
    const { api, toast } = this.ctx;
    const made = new ComparisonView(record, {
      api,
      toast,
      t: this.t,
      line: this.line,
      say: (text) => this.say(text),
      changed: (view) => this.#compared(view),
      refresh: () => this.refresh(),
      show: (thread) => this.showThread(thread),
    });
    // What the transcript asks of a message it has, too.
    return /** @type {MessageView} */ (/** @type {unknown} */ (made));
  }

  // Both sides have ended.
  /** @param {ComparisonView} view */
  #compared({ record }) {
    this.messages = this.messages.map((message) => (message.id === record.id ? record : message));
    this.ctx.bus.emit("shown");
    this.#emitLeaf();
    this.#poll();
  }

  // A conversation that has not begun: a greeting, or why its model could not answer.
  #drawEmpty({ anew = false } = {}) {
    if (!this.loaded || this.messages.length || this.pending.length) return;
    const { info } = settings;
    const { link } = connection;
    const key = JSON.stringify([info?.failure ? [info.name, info.failure] : "", link && [link, info?.name], info?.examples]);
    if (!anew && key === this.#emptyFor) return;
    this.#emptyFor = key;
    const suggest = (/** @type {string} */ text) => this.ctx.bus.emit("suggest", { text });
    if (info?.failure) this.#placeholder(trouble(info, this.t, () => this.#retryModel(info.key)));
    else this.#placeholder(link && saysSomething(link) ? this.#testerWelcome(link, info) : welcome(this.t, suggest, info?.examples));
  }

  /** @param {GuestLink} link @param {Model | null} info */
  #testerWelcome(link, info) {
    const only = this.models.length === 1 && info ? info.name : "";
    return testerWelcome(link, only, this.t);
  }

  // What a link says first, on the model's side, above the first message.
  #drawOpening() {
    const words = connection.link?.opening ?? "";
    const author = this.messages.find(({ model }) => model)?.model ?? settings.info?.name ?? "";
    const key = JSON.stringify([words, author]);
    this.#opening.hidden = !words || !this.loaded || Boolean(this.older);
    if (key === this.#openedWith) return;
    this.#openedWith = key;
    this.#opening.replaceChildren(...(words ? [openingMessage(words, author, this.t)] : []));
  }

  /** @param {string} name */
  async #retryModel(name) {
    try {
      settings.setModels(await this.ctx.api.post("api/models/retry", { name }));
    } catch (error) {
      this.ctx.toast(errorText(error).message, { kind: "error" });
    }
  }

  /** @param {Node | null} content */
  #placeholder(content) {
    this.placeholder.replaceChildren(...(content ? [content] : []));
    this.placeholder.hidden = !content;
  }

  /** @param {string} id @param {string} [known] */
  #rename(id, known) {
    const view = this.views.get(id);
    if (!view || !known) return;
    this.views.delete(id);
    this.views.set(known, view);
  }

  /** @param {Conversation} conversation */
  #conversationIs(conversation) {
    this.conversation = conversation;
    this.ctx.bus.emit("conversation", { conversation });
  }

  #emitLeaf() {
    const leaf = { conversationId: this.conversationId, leafId: this.leafId, running: this.running?.pending ? null : (this.running?.id ?? null) };
    const told = JSON.stringify([this.#visit, leaf]);
    if (told === this.#told) return;
    this.#told = told;
    this.ctx.bus.emit("leaf", leaf);
  }

  // --- a running reply --------------------------------------------------------------------------------------

  /** @param {MessageView} view */
  #follow(view) {
    const { id, seq } = view.record;
    if (this.#following.has(id)) return;
    const stop = this.line.follow(id, {
      from: seq,
      onDelta: (delta) => (delta.kind === "moved" && !this.end.atEnd ? this.end.keepingRead(view, () => view.delta(delta)) : view.delta(delta)),
      onStatus: (status) => {
        if (status.queue) this.#sayPlace(id, status.queue.place);
        view.status(status);
      },
      onDone: (record) => this.#onDone(view, record),
      onGone: () => this.#onGone(view),
    });
    this.#following.set(id, stop);
  }

  // The place alone, not each new guess, and of a line that moves fast not each step.
  /** @param {string} id @param {number} place */
  #sayPlace(id, place) {
    const said = this.#placeSaid;
    const now = performance.now();
    if (said.id === id && (said.place === place || (place > 1 && now - said.at < PLACE_PAUSE))) return;
    this.#placeSaid = { id, place, at: now };
    this.say(placeText({ place }, this.t, this.ctx.language));
  }

  /** @param {string} id */
  #unfollow(id) {
    this.#following.get(id)?.();
    this.#following.delete(id);
  }

  /** @param {MessageView} view @param {Message} record */
  #onDone(view, record) {
    this.#following.delete(record.id);
    // An edit or a regenerate may have made siblings that the message does not know of yet.
    const known = view.record.siblings;
    const siblings = record.siblings.length >= known.length ? record.siblings : known;
    view.update({ ...record, siblings });
    this.messages = this.messages.map((message) => (message.id === record.id ? view.record : message));
    this.say(this.t("transcript.done", { text: view.plainText.slice(0, SPOKEN) }));
    this.ctx.bus.emit("shown");
    this.#emitLeaf();
    this.#poll();
  }

  // This visitor may not follow any more. What a guest asked for the server has stopped; a person's reply is still written.
  /** @param {Failure} [error] */
  #putOut(error) {
    const code = endedBy(error);
    this.line.close();
    for (const [id, view] of this.views) {
      this.#unfollow(id);
      if (view.running) view.update({ ...view.record, state: "stopped", failure: { code } });
    }
    // Nobody can be asked again: what is on the screen is all there is, with the text that came in pieces.
    this.messages = this.messages.map((message) => this.views.get(message.id)?.record ?? message);
    this.#emitLeaf();
  }

  // It was deleted, or another page with another owner signed in.
  /** @param {MessageView} view */
  #onGone(view) {
    this.#following.delete(view.record.id);
    this.refresh();
  }

  // --- what is on its way -------------------------------------------------------------------------------------

  // While one of these is the same, what was asked for is not older than what is shown.
  get #now() {
    return `${this.#visit} ${this.#answers}`;
  }

  /** @param {Events["outbox"]} detail */
  #onOutbox({ what, entry, answer }) {
    const shown = this.pending.some(({ key }) => key === entry.key);
    if (what === "answered" && answer) this.#answered(entry, answer, shown);
    else if (what === "refused" && entry.ask.kind !== "send") this.#refused(entry, shown);
    else if (shown || (entry.ask.conversation_id ?? null) === this.conversationId) this.#draw();
  }

  /** @param {Entry} entry @param {BegunTurn} answer @param {boolean} shown */
  #answered(entry, { conversation, user, reply }, shown) {
    this.#answers += 1;
    this.#begun.add(reply.id);
    if (!shown) {
      arrived(this, entry);
      this.ctx.bus.emit("conversation", { conversation });
      if (conversation.id === this.conversationId) this.refresh();
      return;
    }
    this.#rename(userIdOf(entry), user?.id);
    this.#rename(replyIdOf(entry), reply.id);
    this.conversationId = conversation.id;
    this.#conversationIs(conversation);
    const made = user ? [user, reply] : [reply];
    const before = upTo(this.messages, entry.under).filter((message) => made.every(({ id }) => id !== message.id));
    this.#show([...before, ...made]);
    this.say(this.t("transcript.writing_by", { model: reply.model ?? this.t("transcript.assistant") }));
    if (this.#isBehind) this.#poll();
  }

  // The words of an edit are in their editor again, or wait until this conversation is shown.
  /** @param {Entry} entry @param {boolean} shown */
  #refused(entry, shown) {
    if (entry.why) this.ctx.toast(errorLine(entry.why), { kind: "error" });
    if (typeof entry.ask.text !== "string") outbox.take(entry.key);
    else if (shown) takeBack(this, entry);
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    const button = /** @type {Element} */ (event.target).closest("[data-act]");
    if (button?.closest(".wc-compare")) return; // nothing is done with a side before the vote
    const view = this.views.get(button?.closest("article")?.dataset.id ?? "");
    if (button && view) actions[button.dataset.act ?? ""]?.(this, view, button);
  }
}
