// The shapes that the page's modules share: the server's records as they come over the wire, and what the page adds.

import type * as wire from "./wire.js";

export type * from "./wire.js";

/** What went wrong, as the server tells it, or an `ApiError`. */
export type Failure = Pick<wire.Failure, "code"> & Partial<Omit<wire.Failure, "params" | "audience">> & { params?: Record<string, any>; audience?: string | null; status?: number };

export type Words = Record<string, string | number | null | undefined>;
export type Translate = (key: string, params?: Words) => string;

/** What a reviewer makes of an item. */
export type Verdict = wire.NewReviewBody["verdict"];

/** A message as it is drawn: perhaps not known to the server yet, or without its reply. */
export type ShownMessage = Omit<wire.Message, "state" | "failure"> & { state: wire.Message["state"] | "unsent"; failure: Failure | null; pending?: Entry; unanswered?: boolean };

/** What happens to conversations, shown or not. */
export type News = { type: "begun" | "ended" | "changed" } & Partial<wire.TurnNews>;

/** The body of `POST api/turns`, without its key. */
export interface Ask {
  kind: "send" | "edit" | "regenerate" | "continue";
  conversation_id?: string | null;
  parent_id?: string | null;
  message_id?: string;
  text?: string;
  template?: wire.TemplateUse | null;
  model?: string | null;
  settings?: wire.Settings;
  against?: Against | null;
}

/** What answers beside the model: the key of another one, other settings; nothing where the server chooses. */
export interface Against {
  model?: string;
  settings?: wire.Settings;
}

/** An entry of the outbox; its fields are explained there. */
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
  state: "sending" | "unsent" | "refused";
  why: Failure | null;
  stop: boolean;
}

/** What is being written in the composer. */
export interface Draft {
  text: string;
  template?: wire.TemplateUse | null;
  sent?: { key: string; text: string } | null;
}

/** The bus's events and their details. */
export interface Events {
  open: { id: string | null; messageId?: string | null };
  conversation: { conversation: wire.Conversation };
  /** All chats were deleted. */
  emptied: {};
  title: { conversation: wire.ListedConversation };
  leaf: { conversationId: string | null; leafId: string | null; running: string | null };
  /** The transcript draws other messages, or a reply has ended. */
  shown: {};
  /** Told by the server. */
  news: News;
  /** A reply ended in a hidden tab. */
  notice: { on: boolean };
  me: { me: wire.Me };
  model: { name: string };
  models: Pick<wire.ModelList, "models" | "default">;
  connection: { online: boolean };
  owner: { owner: string; before: string };
  out: { error: Failure };
  outbox: { what: "changed" | "refused" | "answered" | "taken"; entry: Entry; answer?: wire.BegunTurn };
  picker: {};
  settings: { settings: wire.Settings };
  stop: { id: string; waiting: boolean };
  suggest: { text: string };
  /** There is no such conversation. */
  unknown: { id: string | null };
  /** The browser keeps nothing for this page. */
  unkept: {};
}

/** What the server writes into the page, what guard.js and boot.js add, and what the page's module does. */
interface PageConfig {
  assets: string;
  title: string;
  language: string;
  lost: Record<string, Record<string, string>>;
  fleeting: string[];
  theme(): string;
  setTheme(value: string): void;
  /** Whether something is lost if the page is left. */
  unsaved?(): boolean;
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
    gradio_config?: { i18n_translations?: Record<string, unknown> };
  }
  var webchatConfig: PageConfig;
}
