// Somebody who writes and sends while all kinds of things go wrong, and knows which words must be where.

import { Browser, calm, prepare } from "./browser.js";
import { Server } from "./server.js";

const READS = 40; // ms between two steps
const PATIENCE = 4500; // ms until a page begins that nobody answers
const LATE = 35_000; // ms until it is told that something was not sent, on a dead line too
const SETTLED = 200_000; // ms, longer than every deadline and pause of the page
const OUTBOX = "webchat.outbox.";
const DRAFT = "webchat.draft.";

const tokens = (text) => text.match(/w\d+/g) ?? [];

class Person {
  server = new Server();
  words = new Map(); // word -> {deleted, owner: whose page it was typed in, "" when the page did not know}
  given = new Map(); // client key -> its words, taken back by their writer when the server may have had them
  asks = 0;
  done = {}; // step -> how often it did something

  // tight: its storage may be full, and then there is one tab that stays.
  constructor({ tight = false, ...options } = {}) {
    this.tight = tight;
    this.browser = new Browser(this.server, options);
  }

  // --- what one does ----------------------------------------------------------------------------------------

  async step([name, which = 0, more = 0]) {
    const { browser } = this;
    if (World[name]) await World[name](this, which, more);
    else {
      if (!browser.living.length) await browser.open();
      const { living } = browser;
      const tab = living[[0, 0, 0, 0, 1, 1, 2, 3][which] % living.length]; // most is done in one
      if (!isReady(tab)) await browser.clock.advance(PATIENCE);
      if (isReady(tab)) {
        const before = this.trace;
        await Hands[name](this, tab, more);
        await calm();
        if (this.trace !== before) this.done[name] = (this.done[name] ?? 0) + 1;
      }
    }
    await calm();
  }

  get trace() {
    return JSON.stringify([this.browser.local, this.browser.tabs.map(({ alive, page, address }) => [alive, page, address])]);
  }

  word(tab) {
    const word = `w${this.words.size + 1}`;
    this.words.set(word, { deleted: false, owner: tab.modules.identity.owner });
    return word;
  }

  deleted(text) {
    for (const word of tokens(text)) this.words.get(word).deleted = true;
  }

  write(box, text) {
    box.value = text;
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  // --- what must hold ---------------------------------------------------------------------------------------

  // What the pages have in memory alone, they have all the same.
  get stored() {
    const { local, living } = this.browser;
    const storages = [{ names: (prefix) => Object.keys(local).filter((name) => name.startsWith(prefix)), get: (name) => JSON.parse(local[name]) }];
    for (const tab of living) if (this.tight && isReady(tab)) storages.unshift(tab.modules.storage);
    const of = (prefix) => storages[0].names(prefix).map((name) => ({ name, ...storages[0].get(name) }));
    const drafts = of(DRAFT).map(({ name, value }) => ({ name, owner: name.slice(DRAFT.length).split(".")[0], text: value?.text ?? "" }));
    return { drafts, outbox: of(OUTBOX) };
  }

  // Every word that nobody deleted is in a draft, the outbox or the store, once; what a box shows is its draft.
  check() {
    const { drafts, outbox } = this.stored;
    const places = new Map([...this.words.keys()].map((word) => [word, []]));
    const put = (text, place) => tokens(text).forEach((word) => places.get(word).push(place));
    for (const { name, text } of drafts) put(text, name);
    for (const { key, ask } of outbox) put(ask.text ?? "", `${OUTBOX}${key}`);
    const keyOf = new Map([...this.server.keys].map(([name, { user }]) => [user?.id, name.split(" ")[1]]));
    const arrived = new Map(outbox.map(({ key }) => [key, true]));
    const byGiven = (one, other) => this.given.has(keyOf.get(one.id)) - this.given.has(keyOf.get(other.id));
    for (const { id, role, text } of [...this.server.messages.values()].sort(byGiven)) {
      if (role !== "user") continue;
      const key = keyOf.get(id);
      if (arrived.has(key)) continue; // the answer is on its way: it is the same message
      const given = this.given.get(key) ?? new Set();
      // Taken back after it may have arrived: what its writer made of it since is another message.
      put(tokens(text).filter((word) => !given.has(word) || places.get(word).length === 0).join(" "), `store ${id}`);
    }
    for (const [word, { deleted }] of this.words) {
      const found = places.get(word);
      if (deleted ? found.some((place) => place.startsWith(DRAFT)) : found.length !== 1) throw new Error(`${word}${deleted ? ", deleted," : ""} is in [${found}]`);
    }
    for (const tab of this.browser.living) this.#checkBoxes(tab, drafts);
    this.#checkOwners();
    const replies = [...this.server.messages.values()].filter(({ role }) => role === "assistant").length;
    if (replies > this.asks) throw new Error(`${replies} replies, asked for ${this.asks}`);
  }

  #checkBoxes(tab, drafts) {
    if (!isReady(tab)) return;
    const mine = `${DRAFT}${tab.modules.identity.owner}.${tab.modules.identity.tab}.`;
    const place = tab.address.searchParams.get("c") ?? "new";
    const draft = drafts.find(({ name }) => name === mine + place)?.text ?? "";
    const { value } = boxOf(tab);
    if (value !== draft ) throw new Error(`the box at ${place} shows "${value}", its draft is "${draft}"`);
  }

  #checkOwners() {
    for (const { role, text, conversation_id } of this.server.messages.values()) {
      if (role !== "user") continue;
      const { owner } = this.server.conversations.get(conversation_id);
      for (const word of tokens(text)) {
        const typed = this.words.get(word).owner;
        if (typed !== "" && typed !== owner) throw new Error(`${word} of ${typed} was sent as ${owner}`);
      }
    }
  }

  // The line is mended, each owner comes back: nothing is stuck on its way, and all that is kept is seen again.
  async settle() {
    const { browser, server } = this;
    browser.line = "up";
    browser.full = false;
    server.refusing = null;
    server.start();
    await browser.clock.advance(SETTLED);
    this.check();
    for (const owner of ["bob", "ann"]) {
      browser.owner = owner;
      for (const tab of browser.living) await tab.reload();
      await browser.clock.advance(SETTLED);
      this.check();
      for (const tab of browser.living) tab.close();
      const tab = await browser.open();
      await browser.clock.advance(SETTLED);
      this.check();
      await this.#readAll(tab, owner);
      tab.close();
    }
    const { drafts, outbox } = this.stored;
    const nobodys = [...drafts, ...outbox].filter(({ owner, text }) => owner === "" && text !== "");
    if (nobodys.length) throw new Error(`nobody's: ${JSON.stringify(nobodys)}`);
  }

  // Goes through all conversations and looks at what is there until there is no more.
  async #readAll(tab, owner) {
    const { clock } = this.browser;
    const mine = () => [...this.server.conversations.values()].filter((one) => one.owner === owner).map(({ id }) => id);
    const kept = this.stored;
    const stuck = kept.outbox.filter((entry) => entry.owner === owner && entry.state === "unsent" && entry.asked > 0);
    if (stuck.length) throw new Error(`still on its way: ${JSON.stringify(stuck)}`);
    const words = new Set();
    // Also such as are somebody else's, or gone: what was written there leads to a new chat.
    const elsewhere = kept.drafts.filter((one) => one.owner === owner).map(({ name }) => name.split(".").at(-1)).filter((id) => /^c\d/.test(id));
    for (const id of [...mine(), ...elsewhere, null]) {
      for (let more = true; more; ) {
        if (id === null) tab.go.newChat();
        else tab.go.open(id);
        await clock.advance(300);
        await clock.advance(300);
        const box = boxOf(tab);
        for (const word of tokens(`${box.value} ${tab.document.querySelector("#wc-transcript-part").textContent}`)) words.add(word);
        more = box.value !== "";
        this.deleted(box.value);
        this.write(box, "");
        if (id !== null) tab.go.newChat();
        else if (mine().length) tab.go.open(mine()[0]);
        else await tab.reload();
        await clock.advance(300);
      }
    }
    const wanted = [...kept.drafts.filter((one) => one.owner === owner && !one.name.includes(".edit:")).map(({ text }) => text), ...kept.outbox.filter((one) => one.owner === owner).map(({ ask }) => ask.text ?? "")];
    const unseen = tokens(wanted.join(" ")).filter((word) => !words.has(word));
    if (unseen.length) throw new Error(`kept and never seen again: ${unseen}, ${JSON.stringify(kept)}`);
  }
}

const isReady = (tab) => tab.document.documentElement.classList.contains("wc-ready");
const boxOf = (tab) => tab.document.querySelector("#wc-composer-text textarea");
const press = (tab, selector, at = 0) => {
  const all = [...tab.document.querySelectorAll(selector)].filter((button) => !button.disabled);
  const button = all[at % Math.max(1, all.length)];
  button?.click();
  return button ?? null;
};
const entryOf = (person, button) => {
  const id = button.closest("article").dataset.id;
  return person.stored.outbox.find(({ key }) => id.endsWith(key));
};

const Hands = {
  type(person, tab) {
    const box = boxOf(tab);
    person.write(box, `${box.value} ${person.word(tab)}`.trim());
  },
  erase(person, tab) {
    const box = boxOf(tab);
    const last = /\s*\S+\s*$/.exec(box.value)?.[0] ?? "";
    person.deleted(last);
    person.write(box, box.value.slice(0, box.value.length - last.length));
  },
  send(person, tab) {
    person.asks += 1;
    boxOf(tab).dispatchEvent(Object.assign(new Event("keydown", { bubbles: true, cancelable: true }), { key: "Enter" }));
  },
  async converse(person, tab) {
    Hands.type(person, tab);
    Hands.send(person, tab);
    await person.browser.clock.advance(300);
  },
  async rewrite(person, tab, which) {
    Hands.edit(person, tab, which);
    await person.browser.clock.advance(READS);
    Hands.save(person, tab, 0);
  },
  // Sent on a line that is cut, until the page says so.
  async strand(person, tab, which) {
    person.browser.line = ["cut", "lost", "dead"][which % 3];
    if (which === 3) await Hands.rewrite(person, tab, which);
    else await Hands.converse(person, tab);
    await person.browser.clock.advance(LATE);
  },
  stop(_person, tab) {
    if (!tab.document.querySelector("#wc-stop").hidden) tab.document.querySelector("#wc-stop").click();
  },
  edit(person, tab, which) {
    if (!press(tab, ".wc-user [data-act=edit]", which)) return;
    const editor = tab.document.querySelector(".wc-editor-text");
    if (editor && !tokens(editor.value).some((word) => !isStored(person, word))) person.write(editor, person.word(tab));
  },
  more(person, tab, which) {
    const editors = tab.document.querySelectorAll(".wc-editor-text");
    const editor = editors[which % Math.max(1, editors.length)];
    if (!editor) return;
    const own = tokens(editor.value).filter((word) => !isStored(person, word));
    person.write(editor, [...own, person.word(tab)].join(" "));
  },
  save(person, tab, which) {
    person.asks += 1;
    press(tab, ".wc-editor .wc-primary", which);
  },
  cancel(person, tab, which) {
    const editors = [...tab.document.querySelectorAll(".wc-editor")];
    const editor = editors[which % Math.max(1, editors.length)];
    if (!editor) return;
    person.deleted(tokens(editor.querySelector("textarea").value).filter((word) => !isStored(person, word)).join(" "));
    editor.querySelector(".wc-button:not(.wc-primary)").click();
  },
  again(_person, tab, which) {
    press(tab, "[data-act=send-again]", which);
  },
  takeBack(person, tab, which) {
    const buttons = [...tab.document.querySelectorAll("[data-act=send-edit]")];
    const button = buttons[which % Math.max(1, buttons.length)];
    if (!button) return;
    const { key, ask } = entryOf(person, button);
    person.given.set(key, new Set(tokens(ask.text)));
    button.click();
  },
  withdraw(_person, tab, which) {
    press(tab, "[data-act=send-cancel]", which);
  },
  regenerate(person, tab, which) {
    person.asks += 1;
    press(tab, ".wc-reply [data-act=regenerate]", which);
  },
  version(_person, tab, which) {
    press(tab, "[data-act=older-version], [data-act=newer-version]", which);
  },
  suggest(_person, tab, which) {
    press(tab, ".wc-suggestion", which);
  },
  newChat(_person, tab) {
    tab.go.newChat();
  },
  go(person, tab, which) {
    const mine = [...person.server.conversations.values()].filter(({ owner }) => owner === tab.modules.identity.owner);
    if (mine.length) tab.go.open(mine[which % mine.length].id);
  },
  async back(_person, tab) {
    await tab.back();
  },
  async reload(_person, tab) {
    await tab.reload();
  },
  close(_person, tab) {
    tab.close();
  },
  crash(_person, tab) {
    tab.crash();
  },
  async ask(_person, tab) {
    tab.close();
    await tab.load("/?q=hello");
  },
  async duplicate(person, tab) {
    if (person.browser.living.length < 4) await person.browser.open(tab.address.search, { ...tab.session });
  },
};

const isStored = (person, word) => [...person.server.messages.values()].some(({ role, text }) => role === "user" && tokens(text).includes(word));

const World = {
  async open(person) {
    if (person.browser.living.length < 4) await person.browser.open();
  },
  async visit(person, which) {
    const all = [...person.server.conversations.values()].filter(({ owner }) => owner === person.browser.owner);
    if (all.length && person.browser.living.length < 4) await person.browser.open(`/?c=${all[which % all.length].id}`);
  },
  // A tab that crashed is loaded again, where it was.
  async revive({ browser }, which) {
    const dead = browser.tabs.filter((tab) => !tab.alive);
    if (dead.length && browser.living.length < 4) await dead[which % dead.length].reload();
  },
  rest: () => {},
  full: ({ browser }) => void (browser.full = true),
  room: ({ browser }) => void (browser.full = false),
  cut: ({ browser }) => void (browser.line = "cut"),
  dead: ({ browser }) => void (browser.line = "dead"),
  lost: ({ browser }) => void (browser.line = "lost"),
  mend: ({ browser }) => void (browser.line = "up"),
  kill: ({ server }) => server.kill(),
  start: ({ server }) => server.start(),
  refuse: ({ server }, which) => void (server.refusing = [[422, "message_blocked"], [429, "too_many_turns"], [503, "not_accepting"], [503, "store_unavailable"], [500, "internal"]][which % 5]),
  owner: ({ browser }) => void (browser.owner = browser.owner === "ann" ? "bob" : "ann"),
  wait: ({ browser }, which) => browser.clock.advance([0, 3, 6, READS, 300, 5000, 12_000, LATE][which % 8]),
};

let prepared = null;

// Does the steps, and looks after each; throws what is wrong with its place.
export async function live(steps, options) {
  await (prepared ??= prepare());
  const person = new Person(options);
  await person.browser.open();
  await person.browser.clock.advance(500);
  if (!isReady(person.browser.tabs[0])) throw new Error("the page did not begin");
  for (const [at, step] of steps.entries()) {
    try {
      await person.step(step);
      await person.browser.clock.advance(READS);
      person.check();
    } catch (error) {
      throw new Error(`after step ${at}, ${step}: ${error.stack}`, { cause: error });
    }
  }
  try {
    await person.settle();
  } catch (error) {
    throw new Error(`at the end: ${error.stack}`, { cause: error });
  }
  return { words: person.words.size, messages: person.server.messages.size, ...person.done };
}

export const verbs = { hands: Object.keys(Hands), world: Object.keys(World) };
