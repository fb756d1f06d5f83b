// The server's promises in memory: a key is a turn, messages are a tree, an owner sees their own.

const REPLY_TIME = 120; // ms
const refusal = (status, code) => ({ status, body: { error: { code, message: code } } });

export class Server {
  up = true;
  boot = 1;
  conversations = new Map();
  messages = new Map();
  keys = new Map(); // `${owner} ${key}` -> {conversation, user, reply, asked}
  news = [];
  refusing = null; // [status, code] of the next ask
  clock; // of the browser
  onChange; // called when followers have something to hear
  #next = 1;

  kill() {
    this.up = false;
    this.boot += 1;
    for (const message of this.messages.values()) if (message.state === "queued") message.state = "interrupted";
    this.onChange();
  }

  start() {
    this.up = true;
    this.onChange();
  }

  record(owner, id) {
    const message = this.messages.get(id);
    return message && this.conversations.get(message.conversation_id).owner === owner ? this.#wire(message) : null;
  }

  take(owner, method, { pathname, searchParams }, body) {
    const [, , kind, id, verb] = pathname.split("/");
    if (kind === "me") return ok({ owner: { id: owner }, boot: this.boot, version: "1", limits: {}, movable_chats: [] });
    if (kind === "models") return ok({ models: [{ name: "m", takes: [], status: "ready" }], default: "m" });
    if (kind === "turns") return this.#turn(owner, body);
    if (kind === "conversations") {
      const conversation = this.conversations.get(id);
      if (conversation?.owner !== owner) return refusal(404, "not_found");
      if (method === "PATCH") conversation.settings = body.settings;
      return ok(method === "PATCH" ? conversation : this.#thread(conversation, Number(searchParams.get("limit"))));
    }
    const message = this.messages.get(id);
    if (!message || this.conversations.get(message.conversation_id).owner !== owner) return refusal(404, "not_found");
    if (verb === "stop") {
      this.#end(message, "stopped");
      return { status: 202, body: null };
    }
    if (verb === "activate") {
      const conversation = this.conversations.get(message.conversation_id);
      conversation.leaf = message.id;
      for (let below = message; below; below = [...this.messages.values()].filter((one) => one.parent_id === below.id).at(-1)) conversation.leaf = below.id;
      return ok(this.#thread(conversation, 30));
    }
    throw new Error(`${method} ${pathname}: not modelled`);
  }

  #turn(owner, { kind, client_key, conversation_id, parent_id, message_id, text, settings, owner: whose }) {
    if (whose !== owner) return refusal(409, "other_owner");
    const known = this.keys.get(`${owner} ${client_key}`);
    const asked = askedOf(kind, message_id, text);
    if (known) return known.asked === asked ? ok(this.#begun(known)) : refusal(409, "key_taken");
    if (this.refusing) {
      const [status, code] = this.refusing;
      this.refusing = null;
      return refusal(status, code);
    }
    const target = message_id && this.messages.get(message_id);
    let conversation = this.conversations.get(target ? target.conversation_id : conversation_id);
    if ((conversation_id || target) && conversation?.owner !== owner) return refusal(404, "not_found");
    let under = parent_id ?? null;
    if (kind === "edit" || (kind === "regenerate" && target.role === "assistant")) under = target.parent_id;
    else if (kind === "regenerate") under = target.id;
    if (this.messages.get(under)?.state === "queued") return refusal(409, "still_running");
    if (!conversation) {
      conversation = { id: `c${this.#next++}`, owner, title: "", settings: settings ?? {}, leaf: null };
      this.conversations.set(conversation.id, conversation);
    }
    const user = kind === "regenerate" ? null : this.#add(conversation, under, { role: "user", text, state: "complete" });
    const reply = this.#add(conversation, user?.id ?? under, { role: "assistant", text: "", state: "queued", model: "m" });
    const turn = { conversation, user, reply, asked };
    this.keys.set(`${owner} ${client_key}`, turn);
    this.#tell(owner, "begun", reply);
    const boot = this.boot;
    this.clock.set(() => boot === this.boot && this.#end(reply, "complete"), REPLY_TIME);
    return { ...ok(this.#begun(turn)), status: 201 };
  }

  #add(conversation, parent_id, message) {
    const id = `m${this.#next++}`;
    const made = { id, conversation_id: conversation.id, parent_id, reasoning: "", seq: 0, rating: 0, judged: false, ...message };
    this.messages.set(id, made);
    conversation.leaf = id;
    return made;
  }

  #end(message, state) {
    if (message.state !== "queued") return;
    Object.assign(message, { state, text: state === "complete" ? "answer" : "" });
    this.#tell(this.conversations.get(message.conversation_id).owner, "ended", message);
  }

  #tell(owner, type, { id, conversation_id, state }) {
    this.news.push({ owner, type, message_id: id, conversation_id, state });
    this.onChange();
  }

  #begun({ conversation, user, reply }) {
    return { conversation: { ...conversation }, user: user && this.#wire(user), reply: this.#wire(reply) };
  }

  #thread(conversation, limit) {
    const path = [];
    for (let at = this.messages.get(conversation.leaf); at; at = this.messages.get(at.parent_id)) path.unshift(this.#wire(at));
    return { conversation: { ...conversation }, messages: path.slice(-limit), older: path.length > limit ? path.at(-limit).id : null };
  }

  #wire(message) {
    const siblings = [...this.messages.values()].filter((one) => one.parent_id === message.parent_id && one.conversation_id === message.conversation_id);
    return { ...message, siblings: siblings.map(({ id }) => id) };
  }
}

const ok = (body) => ({ status: 200, body });

// What makes two asks with one key the same.
const askedOf = (kind, message_id, text) => JSON.stringify(text === undefined ? [kind, message_id] : [text]);
