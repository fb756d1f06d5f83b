// The shapes that the page's modules share: the server's records as they come over the wire, and what the page adds.

/** What went wrong, as the server tells it; of an `ApiError` as well. */
export interface Failure {
  code: string;
  message?: string;
  cure?: string;
  params?: Record<string, any>;
  audience?: string;
  retryable?: boolean;
  status?: number;
}

export type Words = Record<string, string | number | null | undefined>;
export type Translate = (key: string, params?: Words) => string;

export interface Sampling {
  temperature?: number | null;
  top_p?: number | null;
  top_k?: number | null;
  min_p?: number | null;
  repetition_penalty?: number | null;
  max_tokens?: number | null;
  seed?: number | null;
  stop?: string[];
}

export type Values = Record<string, any>;

export interface TemplateName {
  id: string;
  version: number;
  name: string;
}

export interface Persona extends TemplateName {
  values: Values;
}

export interface Settings {
  model: string | null;
  system_prompt: string | null;
  sampling: Sampling;
  persona: Persona | null;
}

/** A conversation as a list has it. */
export interface ListedChat {
  id: string;
  title: string;
  title_by: string;
  pinned: boolean;
  archived: boolean;
  created_at: string;
  updated_at: string;
  active_leaf_id: string | null;
  running: boolean;
}

export interface Chat extends ListedChat {
  settings: Settings;
}

export interface MessageRecord {
  id: string;
  conversation_id: string;
  parent_id: string | null;
  role: string;
  author_id: string | null;
  text: string;
  reasoning: string;
  state: string;
  created_at: string;
  finished_at: string | null;
  finish_reason: string | null;
  failure: Failure | null;
  model: string | null;
  continues: string | null;
  reasoning_seconds: number | null;
  rating: number;
  seq: number;
  siblings: string[];
  prompt_tokens: number | null;
  completion_tokens: number | null;
  first_sent: string | null;
  masked: number;
  template: TemplateName | null;
}

/** A message as it is drawn: perhaps not known to the server yet, or without its reply. */
export interface Message extends MessageRecord {
  pending?: Entry;
  unanswered?: boolean;
}

export interface Thread {
  conversation: Chat;
  messages: MessageRecord[];
  older: string | null;
}

export interface Turn {
  conversation: Chat;
  user: MessageRecord | null;
  reply: MessageRecord;
}

export interface Progress {
  phase: string;
  done: number;
  total: number | null;
  eta_seconds: number | null;
}

export interface Model {
  key: string;
  name: string;
  source: string | null;
  kind: string;
  status: string;
  progress: Progress | null;
  failure: Failure | null;
  system_prompt: string | null;
  sampling: Sampling;
  takes: string[];
  images: boolean;
  context_length: number | null;
  in_process: boolean;
  load_seconds: number | null;
  remote: boolean;
  unlisted: boolean;
  missing: boolean;
}

export interface Models {
  models: Model[];
  default: string | null;
  wanted?: Model | null;
}

export interface Owner {
  id: string;
  kind: string;
  name: string | null;
}

export interface MovableChats {
  giver: string;
  kind: string;
  since: string;
  chats: number;
}

export interface Me {
  owner: Owner;
  earlier: (Owner & { since: string })[];
  operates: boolean;
  movable_chats: MovableChats[];
  version: string;
  boot: string;
  default_model: string | null;
  language: string;
  limits: { message_chars: number };
  share: { access: string };
}

// --- the stream of events -------------------------------------------------------------------------------------

export interface Wait {
  reason: string;
  since_ms: number;
  retry_in_ms: number | null;
  attempt: number;
}

export interface Status {
  message_id: string;
  state: string;
  loading: Progress | null;
  queue: { place: number; eta_seconds: number | null } | null;
  wait: Wait | null;
}

export interface Delta {
  message_id: string;
  seq: number;
  kind: "text" | "reasoning" | "tool" | "moved";
  text: string;
}

/** What happens to conversations, shown or not. */
export interface News {
  type: "begun" | "ended" | "changed";
  conversation_id?: string;
  message_id?: string;
  state?: string;
}

// --- what the page keeps --------------------------------------------------------------------------------------

/** The body of `POST api/turns`, without its key. */
export interface Ask {
  kind: "send" | "edit" | "regenerate" | "continue";
  conversation_id?: string | null;
  parent_id?: string | null;
  message_id?: string;
  text?: string;
  template?: TemplateName | null;
  model?: string | null;
  settings?: Settings;
}

export type EntryState = "sending" | "unsent" | "refused";

/** An entry of the outbox; its fields are told there. */
export interface Entry {
  key: string;
  owner: string;
  tab: string | null;
  at: number;
  asked: number;
  ask: Ask;
  files: string[];
  under: string | null;
  begun: { text: string; reasoning: string } | null;
  state: EntryState;
  why: Failure | null;
  stop: boolean;
}

/** What is being written in the composer. */
export interface Draft {
  text: string;
  template?: TemplateName | null;
  sent?: { key: string; text: string } | null;
}

/** The bus's events and their details. */
export interface Events {
  open: { id: string | null; messageId?: string | null };
  conversation: { conversation: Chat };
  title: { conversation: ListedChat };
  leaf: { conversationId: string | null; leafId: string | null; running: string | null };
  /** The transcript draws other messages, or a reply has ended. */
  shown: {};
  /** Told by the server. */
  news: News;
  /** A reply ended in a hidden tab. */
  notice: { on: boolean };
  me: { me: Me };
  model: { name: string };
  models: Models;
  connection: { online: boolean };
  owner: { owner: string; before: string };
  out: { error: Failure };
  outbox: { what: "changed" | "refused" | "answered" | "taken"; entry: Entry; answer?: Turn };
  picker: {};
  settings: { settings: Settings };
  stop: { id: string; waiting: boolean };
  suggest: { text: string };
  /** There is no such conversation. */
  unknown: { id: string | null };
  /** The browser keeps nothing for this page. */
  unkept: {};
}

// The element that a selector names by its last word; on this page all that is looked for is HTML.
type Found<S extends string> = S extends keyof HTMLElementTagNameMap
  ? HTMLElementTagNameMap[S]
  : S extends `${string} ${infer Tag extends keyof HTMLElementTagNameMap}`
    ? HTMLElementTagNameMap[Tag]
    : HTMLElement;

declare global {
  interface ParentNode {
    querySelector<S extends string>(selectors: S): Found<S> | null;
    querySelectorAll<S extends string>(selectors: S): NodeListOf<Found<S>>;
  }
  interface Element {
    closest<S extends string>(selectors: S): Found<S> | null;
  }
  interface Window {
    webchatConfig: PageConfig;
    webchat: Record<string, () => void>;
  }
  var webchatConfig: PageConfig;
}

/** What the server writes into the page, and what guard.js and boot.js add. */
interface PageConfig {
  assets: string;
  title: string;
  language: string;
  lost: Record<string, Record<string, string>>;
  fleeting: string[];
  theme(): string;
  setTheme(value: string): void;
}
