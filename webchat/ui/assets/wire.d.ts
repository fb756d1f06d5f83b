// Every body, answer and event of the HTTP API, made from `webchat/api/wire` by `make reference`.

/** What answers beside the model: another one, or other settings. Testers leave both out: the server chooses both sides for them. */
export interface AgainstBody {
  model?: string | null;
  settings?: SettingsBody | null;
}

/** answers: by the question's id; a number from 1 to 5 for a scale, one of the choices, or words; `null` takes an answer back. */
export interface AnswersBody {
  answers: Record<string, string | number | null>;
}

/** A key of the caller. prefix: its beginning, to recognize it by. models: empty for all. stored: whether what is asked through `/v1` is kept as conversations. expired: it opens nothing any more. */
export interface ApiKey {
  id: string;
  name: string;
  prefix: string;
  scopes: Array<"chat" | "read" | "write">;
  models: Array<string>;
  stored: boolean;
  requests_per_minute: number | null;
  tokens_per_day: number | null;
  at_once: number | null;
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
  expired: boolean;
}

export interface ApiKeyList {
  keys: Array<ApiKey>;
}

/** Whole conversations as a file. Later schemas remain able to read this one. */
export interface Archive {
  schema: "webchat/2";
  exported_at: string;
  version: string;
  conversations: Array<ArchivedConversation>;
}

/** messages: of all branches, parents before children. provenance: by message id. */
export interface ArchivedConversation {
  id: string;
  title: string;
  title_by: "auto" | "model" | "user";
  pinned: boolean;
  archived: boolean;
  created_at: string;
  updated_at: string;
  active_leaf_id: string | null;
  settings: Settings;
  messages: Array<Message>;
  provenance: Record<string, Provenance>;
  media: Array<Media>;
}

/** An open queue as one of its reviewers sees it. mine: the reviews they gave. given, total: of everybody together. */
export interface AssignedQueue {
  id: string;
  name: string;
  kind: "replies" | "comparisons";
  mine: number;
  given: number;
  total: number;
}

export interface AssignedQueues {
  queues: Array<AssignedQueue>;
}

/** Sent during silence. */
export interface Beat {}

/** user: the new user message that the reply answers, if there is one. beside: the other reply of a comparison. left: of a guest's link. */
export interface BegunTurn {
  conversation: Conversation;
  user: Message | null;
  reply: Message;
  beside: Message | null;
  left: Left | null;
}

/** conversation_id: empty if any of them may have changed. */
export interface Changed {
  conversation_id: string;
}

/** text: the one in use; source: its origin: the operator (`override`), the settings (`file`), a default, or the model itself. own: the model's own. number: of the newest version. */
export interface ChatTemplate {
  model: string;
  own: string | null;
  text: string | null;
  source: string;
  number: number | null;
  versions: Array<ChatTemplateVersion>;
}

/** text: `null` restores the model's own. based_on: the version that was changed. */
export interface ChatTemplateBody {
  text: string | null;
  note?: string;
  based_on?: number | null;
}

/** text: what the model would read. system_as: `user` if the system prompt is put before the first user message. */
export interface ChatTemplatePreview {
  text: string;
  tokens: number | null;
  problem: ChatTemplateProblem | null;
  system_as: "user" | null;
}

export interface ChatTemplateProblem {
  message: string;
  line: number | null;
}

/** number: of a version set by the operator. */
export interface ChatTemplateUse {
  source: string;
  number: number | null;
}

/** text: `null` if it restored the model's own. */
export interface ChatTemplateVersion {
  number: number;
  created_at: string;
  author: string;
  note: string;
  text: string | null;
}

/** state: `open` until its person votes or goes on without a vote (`skipped`). preferred: `null` without a vote. */
export interface Comparison {
  id: string;
  conversation_id: string;
  state: "open" | "voted" | "skipped";
  left: Side;
  right: Side;
  preferred: "left" | "right" | "tie" | null;
  comment: string;
}

/** accepted: the version the caller accepted, 0 for none; sending needs the current one. */
export interface Consent {
  text: string;
  version: number;
  accepted: number;
}

/** version: of the sentence that was read. */
export interface ConsentBody {
  version: number;
}

export interface Conversation {
  id: string;
  title: string;
  title_by: "auto" | "model" | "user";
  pinned: boolean;
  archived: boolean;
  created_at: string;
  updated_at: string;
  active_leaf_id: string | null;
  running: boolean;
  settings: Settings;
}

/** Missing fields stay unchanged. */
export interface ConversationBody {
  title?: string | null;
  pinned?: boolean | null;
  archived?: boolean | null;
  settings?: SettingsBody | null;
}

/** next: cursor of the next page, `null` at the end. */
export interface ConversationPage {
  items: Array<ListedConversation>;
  next: string | null;
}

/** left_out: how many of the oldest messages were not sent. */
export interface Cut {
  left_out: number;
  first_sent: string | null;
}

export interface DecisionCount {
  rule: string;
  moderator: string;
  action: string;
  count: number;
}

export interface DecisionCounts {
  items: Array<DecisionCount>;
}

export interface DecisionPage {
  items: Array<ModerationDecision>;
  next: string | null;
}

/** conversations: how many. */
export interface DeletedConversations {
  conversations: number;
}

/** A piece of a reply. seq: from 1, without gaps. Encoded by `webchat.turns.events.Delta`, once for all followers. */
export interface Delta {
  message_id: string;
  seq: number;
  kind: "text" | "reasoning" | "tool" | "moved";
  text: string;
}

export interface Done {
  message: Message;
}

export interface DuplicateBody {
  name?: string | null;
}

/** name: of the new link; without it, the same. */
export interface DuplicateLinkBody {
  name?: string | null;
}

/** An earlier sign-in of this browser that it can switch back to. */
export interface EarlierOwner {
  id: string;
  kind: "local" | "operator" | "member" | "visitor" | "guest";
  name: string;
  since: string;
}

export interface EditBody {
  text: string;
}

/** The page translates by `code` and `params`; `message` and `cure` are English. audience: set if they contain what only operators may read. */
export interface Error {
  code: string;
  message: string;
  cure: string;
  params: Record<string, string | number>;
  audience?: "operator" | null;
}

/** The format of every error. */
export interface ErrorAnswer {
  error: Error;
}

/** The events of a stream by name, each with its data. */
export interface Events {
  hello: Hello;
  status: Status;
  delta: Delta;
  done: Done;
  gone: Gone;
  begun: TurnNews;
  ended: TurnNews;
  changed: Changed;
  beat: Beat;
}

/** `code` translates with `params`; `message` and `cure` are English. audience: set if the text contains what only operators may read. */
export interface Failure {
  code: string;
  message: string;
  cure: string;
  params: Record<string, string | number>;
  retryable: boolean;
  audience?: "operator" | null;
}

/** One guest's answer. question: as it was asked. */
export interface GivenAnswer {
  person: string;
  question: Question;
  value: string | number;
  at: string;
}

export interface GivenAnswerPage {
  items: Array<GivenAnswer>;
  next: string | null;
}

/** others: what the others made of the item so far; left and right as the caller saw them. */
export interface GivenReview {
  others: Array<"accept" | "reject" | "edit" | "left" | "right" | "tie">;
}

export interface GoOnBody {
  side: "left" | "right";
}

/** The reply does not exist, or the reader may not see it. */
export interface Gone {
  message_id: string;
}

/** The link of a guest. left: to the caller, of the limits of the whole link and of each person whatever is less; limits: those that it is left of. name: its title for them, may be empty. answers: theirs to the questions asked once, by the question's id. reasons: offered with a rating; empty for the usual ones. blind: models are "Model A", "Model B". */
export interface GuestLink {
  name: string;
  instructions: string;
  opening: string;
  language: "" | "en" | "zh-CN";
  questions: Array<Question>;
  answers: Record<string, string | number>;
  asks: Array<"thumbs" | "tags" | "better_answer" | "compare">;
  reasons: Array<string>;
  consent: Consent | null;
  limits: Left;
  left: Left;
  blind: boolean;
  inspect: boolean;
  system_prompt: boolean;
  template: string | null;
  expires_at: string | null;
}

/** code: to be typed on another device at `url` before `expires_at`, once. qr: an SVG of both. */
export interface Handover {
  code: string;
  expires_at: string;
  url: string;
  qr: string;
}

/** code: spaces, dashes and case do not matter. confirmed: whoever is signed in here is left. */
export interface HandoverBody {
  code: string;
  confirmed?: boolean;
}

export interface Health {
  status: "ok" | "degraded" | "stopping" | "database";
}

/** owner: the reader's id. running: the ids of all their running replies. */
export interface Hello {
  owner: string;
  running: Array<string>;
}

/** size, received: bytes of the file. done: entries dealt with; entries: how many there are, once that is known. counts: what was found, and what was done. problems: the first of them. first_id: the first conversation it brought. failure: the code of what went wrong. */
export interface Import {
  id: string;
  name: string;
  size: number;
  received: number;
  state: "uploading" | "checking" | "checked" | "importing" | "done" | "cancelled" | "failed";
  on_bad: "skip" | "refuse";
  done: number;
  entries: number | null;
  counts: Record<string, number>;
  problems: Array<ImportProblem>;
  first_id: string | null;
  failure: string | null;
  created_at: string;
}

/** text: the content of the file. */
export interface ImportBody {
  text: string;
}

/** products: names of the products, by their keys in `counts`. */
export interface ImportList {
  items: Array<Import>;
  products: Record<string, string>;
}

/** place: the file in the zip and the entry. code: of a sentence, translated with `params`. lost: the entry is not imported. */
export interface ImportProblem {
  place: string;
  code: string;
  params: Record<string, string | number>;
  lost: boolean;
}

/** An input that a function takes beside the conversation; see `backends.inputs.Input`. */
export interface Input {
  name: string;
  label: string;
  kind: "text" | "number" | "slider" | "checkbox" | "choice" | "choices";
  default: string | number | boolean | Array<string> | null;
  about: string;
  choices: Array<[string, string | number]>;
  minimum: number | null;
  maximum: number | null;
  step: number | null;
  integer: boolean;
  lines: number;
  max_chars: number;
}

/** kind: `local` with the `rendered` text and its `tokens`, `endpoint` with the posted JSON `body`. why: the reason why nothing is known. curl, python: code that repeats the request. */
export interface Inspection {
  message_id: string;
  why: "running" | "person" | "off" | "unsent" | "restart" | "unrecorded" | null;
  kind: "local" | "endpoint" | null;
  messages: Array<SentMessage>;
  rendered: string | null;
  tokens: Tokens | null;
  parts: Array<Part> | null;
  body: Record<string, JsonValue> | null;
  url: string | null;
  cut: Cut | null;
  masked: Array<MaskedPlace>;
  masked_count: number;
  templates: TemplatesUsed;
  curl: string | null;
  python: string | null;
}

export type JsonValue = unknown;

/** What the caller said of a reply. reasons: keys, or the link's own words. seq: how many pieces of the reply had been shown when they last said something; `null` once it had ended. better: the answer they would have given. answers: to the link's questions about each reply, by the question's id. trains: whether their link's consent sentence covered training. */
export interface Judgement {
  rating: -1 | 0 | 1;
  reasons: Array<string>;
  comment: string;
  answers: Record<string, string | number>;
  better: string;
  seq: number | null;
  at: string | null;
  changed_at: string | null;
  trains: boolean;
}

/** Missing fields stay unchanged; another rating takes back the reasons of the one before. answers: as in `AnswersBody`. seq: how many pieces of a running reply were shown. */
export interface JudgementBody {
  rating?: number | null;
  reasons?: Array<string> | null;
  comment?: string | null;
  answers?: Record<string, string | number | null> | null;
  better?: string | null;
  seq?: number | null;
}

/** next: cursor of the next page, `null` at the end. */
export interface JudgementPage {
  items: Array<ReviewedJudgement>;
  next: string | null;
}

/** What is left out is unrestricted. The fields are explained at `webchat.store.key_records.KeyTerms`. */
export interface KeyContent {
  scopes?: Array<"chat" | "read" | "write">;
  models?: Array<string>;
  stored?: boolean;
  requests_per_minute?: number | null;
  tokens_per_day?: number | null;
  at_once?: number | null;
}

/** Limits, or what is left of them; `null` where there is none. */
export interface Left {
  conversations: number | null;
  messages: number | null;
  tokens: number | null;
}

export interface Limits {
  message_chars: number;
}

/** A link in the operator's list. people, conversations, messages, tokens: used so far; running: replies being written; reserved: tokens reserved for those. */
export interface Link {
  id: string;
  name: string;
  state: "active" | "paused" | "expired" | "revoked";
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
  paused_at: string | null;
  last_used_at: string | null;
  people: number;
  conversations: number;
  messages: number;
  tokens: number;
  ratings: number;
  running: number;
  reserved: number;
  terms: LinkTerms;
}

/** Missing fields stay unchanged, those of `terms` too. */
export interface LinkBody {
  name?: string | null;
  expires?: string | null;
  paused?: boolean | null;
  terms?: TermsContent | null;
}

/** next: cursor of the next page, `null` at the end. */
export interface LinkPage {
  items: Array<Link>;
  next: string | null;
}

/** Explained at `webchat.store.link_records.LinkTerms`. */
export interface LinkTerms {
  models: Array<string>;
  blind: boolean;
  template: string | null;
  title: string;
  opening: string;
  instructions: string;
  language: "" | "en" | "zh-CN";
  people: number | null;
  conversations: number | null;
  messages: number | null;
  tokens: number | null;
  replies_at_once: number | null;
  conversations_each: number | null;
  messages_each: number | null;
  tokens_each: number | null;
  asks: Array<"thumbs" | "tags" | "better_answer" | "compare">;
  reasons: Array<string>;
  questions: Array<Question>;
  consent: string;
  consent_version: number;
  training: boolean;
  inspect: boolean;
  system_prompt: boolean;
  retention_days: number | null;
  moderation_profile: string;
  shares: boolean;
}

export interface ListedConversation {
  id: string;
  title: string;
  title_by: "auto" | "model" | "user";
  pinned: boolean;
  archived: boolean;
  created_at: string;
  updated_at: string;
  active_leaf_id: string | null;
  running: boolean;
}

/** has_system, has_user: which of its texts are not empty. */
export interface ListedTemplate {
  id: string;
  scope: "personal" | "shared";
  mine: boolean;
  may_change: boolean;
  version: number;
  created_at: string;
  updated_at: string;
  content: TemplateName;
  has_system: boolean;
  has_user: boolean;
}

/** author: the name of the person who saved it. */
export interface ListedTemplateVersion {
  number: number;
  created_at: string;
  author: string;
  note: string;
}

/** Progress of loading a model into memory. done, total: in bytes. */
export interface Loading {
  phase: "connecting" | "downloading" | "loading" | "warming";
  done: number | null;
  total: number | null;
  eta_seconds: number | null;
}

/** A new link. url: what to hand out; it is never shown again. */
export interface MadeLink {
  link: Link;
  url: string;
}

export interface MaskedPlace {
  placeholder: string;
  kind: string;
}

/** kinds: of personal data that is masked for models. */
export interface Masking {
  when: "off" | "remote" | "always";
  keep: "encrypted" | "never";
  kinds: Array<string>;
}

/** boot: random ID of this start of the server. person: of a caller who signed in; sign_in: whether anybody can; sign_out_url: where people leave the proxy that signs them in. link: of a guest. shares: which read-only shares the caller may make. reviews: whether a queue has something for the caller to review. saved: for operators, where snapshots are made. ephemeral: all chats end with the next restart of the server. */
export interface Me {
  owner: Owner;
  person: Person | null;
  sign_in: boolean;
  sign_out_url: string | null;
  earlier: Array<EarlierOwner>;
  operates: boolean;
  movable_chats: Array<MovableChats>;
  version: string;
  boot: string;
  default_model: string;
  language: string;
  limits: Limits;
  share: Share;
  link: GuestLink | null;
  pages: Array<PageEntry>;
  shares: "off" | "masked" | "on";
  reviews: boolean;
  saved: Saved | null;
  ephemeral: boolean;
}

/** A picture or sound of a reply. address: its URL while it is stored. */
export interface Media {
  message_id: string;
  name: string;
  media_type: string;
  size: number;
  address: string;
}

/** A node of a conversation's tree; the fields are explained at `webchat.store.records.Message`. compared: the open comparison that it is a side of; what would tell which model wrote it is left out until then. */
export interface Message {
  id: string;
  conversation_id: string;
  parent_id: string | null;
  role: "system" | "user" | "assistant" | "tool";
  author_id: string | null;
  text: string;
  reasoning: string;
  state: "queued" | "streaming" | "complete" | "stopped" | "blocked" | "failed" | "interrupted";
  created_at: string;
  finished_at: string | null;
  finish_reason: string | null;
  failure: Failure | null;
  model: string | null;
  continues: string | null;
  reasoning_seconds: number | null;
  rating: number;
  judged: boolean;
  seq: number;
  siblings: Array<string>;
  prompt_tokens: number | null;
  completion_tokens: number | null;
  first_sent: string | null;
  masked: number;
  template: TemplateUse | null;
  compared: string | null;
  tool_calls?: Array<ToolCall>;
  tool_call_id?: string | null;
  cut_calls?: number;
}

/** provenance: `null` for guests whose link does not show it, and until the vote on a comparison. */
export interface MessageDetails {
  message: Message;
  provenance: Provenance | null;
}

/** takes: the sampling parameters it supports. inputs: what a function takes beside the conversation, where the caller may choose it. examples: messages to begin with. The other fields are explained at `webchat.models.ModelInfo`. */
export interface Model {
  key: string;
  name: string;
  source: string | null;
  kind: string;
  status: "ready" | "idle" | "loading" | "failed" | "unfit";
  progress: Loading | null;
  failure: Failure | null;
  system_prompt: string | null;
  sampling: Sampling;
  takes: Array<string>;
  images: boolean;
  context_length: number | null;
  in_process: boolean;
  load_seconds: number | null;
  remote: boolean;
  unlisted: boolean;
  missing: boolean;
  inputs?: Array<Input>;
  examples?: Array<string>;
}

/** default: the name of one. wanted: what the requested name or key refers to. */
export interface ModelList {
  models: Array<Model>;
  default: string;
  wanted: Model | null;
}

/** profiles: the moderators of tester links that name one, by its name. keeps_content: whether the log stores the text around each finding. days: how long decisions are kept. dropped: how many were lost. */
export interface Moderation {
  moderators: Array<Moderator>;
  profiles: Record<string, Array<Moderator>>;
  masking: Masking | null;
  file: string | null;
  keeps_content: boolean;
  days: number;
  dropped: number;
}

export interface ModerationDecision {
  number: number;
  at: string;
  moderator: string;
  rule: string;
  stage: string;
  action: string;
  owner_id: string | null;
  conversation_id: string | null;
  message_id: string | null;
  model: string | null;
  start: number;
  end: number;
  detail: string | null;
  content: string | null;
}

/** start, end: in characters of the given text. instead: its replacement. */
export interface ModerationFinding {
  moderator: string;
  rule: string;
  action: "allow" | "flag" | "mask" | "replace" | "block";
  start: number;
  end: number;
  instead: string;
  detail: string;
}

/** action: of all its rules; `null` if they differ. count: of phrases, patterns or limits. */
export interface Moderator {
  name: string;
  kind: string;
  stages: Array<"input" | "prompt" | "output" | "stored">;
  action: string | null;
  fail: string;
  seconds: number;
  rules: Array<ModeratorRule>;
  count: number;
}

/** sentence: the operator's message when it blocks. most: the value of a limit. */
export interface ModeratorRule {
  id: string;
  action: string;
  sentence: string;
  most: number | null;
}

/** Chats that the caller made as somebody else, and may move here. name: of that one. */
export interface MovableChats {
  giver: string;
  kind: "local" | "operator" | "member" | "visitor" | "guest";
  name: string;
  since: string;
  chats: number;
}

/** moved: how many chats. */
export interface Moved {
  moved: number;
}

export interface NameBody {
  name: string;
}

/** token: the key itself, which is never shown again. */
export interface NewApiKey {
  key: ApiKey;
  token: string;
}

/** expires: `12h`, `7d`, `2w`, a date such as `2027-01-31`, or `never`. */
export interface NewApiKeyBody {
  name: string;
  expires?: string;
  terms?: KeyContent;
}

/** size: of the file, in bytes. */
export interface NewImportBody {
  name: string;
  size: number;
}

/** expires: `12h`, `7d`, `2w`, a date such as `2027-01-31`, or `never`. */
export interface NewLinkBody {
  name: string;
  expires?: string;
  terms?: TermsContent;
}

/** verdict: of a reply `accept`, `reject` or `edit`, which has a `better` answer; of a comparison `left`, `right` or `tie`; of both `skip`, which counts for nothing. */
export interface NewReviewBody {
  verdict: "accept" | "reject" | "edit" | "left" | "right" | "tie" | "skip";
  better?: string;
  comment?: string;
}

export interface NewTemplateBody {
  content: TemplateContent;
  scope?: "personal" | "shared";
  note?: string;
}

/** task: `null` once nothing is left for the caller, or the rest is reserved for others. */
export interface NextReview {
  task: ReviewTask | null;
  queue: AssignedQueue;
}

/** Where a conversation was imported from. details: what the file said of it beside its messages. */
export interface Origin {
  product: string;
  name: string;
  at: string;
  details: Record<string, JsonValue>;
}

export interface Owner {
  id: string;
  kind: "local" | "operator" | "member" | "visitor" | "guest";
  name: string;
}

/** A page of another package at `/pages/<name>`. titles: by language. */
export interface PageEntry {
  name: string;
  titles: Record<string, string>;
}

/** Tokens that belong together. message: index of the message whose words they are, `null` for the chat template's. start, end: in tokens. */
export interface Part {
  role: string;
  message: number | null;
  start: number;
  end: number;
}

export interface PasswordBody {
  current: string;
  new: string;
}

/** Somebody who signs in. password: whether they do so with a password kept here; proxy: whether the proxy in front does it for them. trains: whether they let their judgements train models. */
export interface Person {
  name: string;
  email: string | null;
  password: boolean;
  proxy: boolean;
  trains: boolean;
}

/** values: the values of its variables. */
export interface Persona {
  id: string;
  version: number;
  name: string;
  values: Record<string, boolean | number | string | null>;
}

export interface PreviewBody {
  text: string;
  messages?: Array<PreviewMessage> | null;
}

export interface PreviewMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

/** The origin of a reply; the fields are explained at `webchat.store.records.Provenance`. */
export interface Provenance {
  backend: string | null;
  model: string | null;
  model_id: string | null;
  revision: string | null;
  adapter: string | null;
  template: string | null;
  sampling: Sampling;
  seed: number | null;
  prompt: Array<Record<string, JsonValue>>;
  prompt_tokens: number | null;
  completion_tokens: number | null;
  cached_tokens: number | null;
  queued_seconds: number | null;
  first_token_seconds: number | null;
  total_seconds: number | null;
  details: Record<string, JsonValue>;
  options?: Record<string, JsonValue> | null;
}

/** choices: of a `choice`; the named ends of a `scale` from 1 to 5. per_reply: asked about each reply, not once. */
export interface Question {
  id: string;
  text: string;
  kind: "choice" | "scale" | "text";
  choices: Array<string>;
  per_reply: boolean;
}

/** id: kept for answers; without one, the question gets its number. */
export interface QuestionContent {
  id?: string;
  text: string;
  kind?: "choice" | "scale" | "text";
  choices?: Array<string>;
  per_reply?: boolean;
}

/** place: starts at 1. */
export interface Queue {
  place: number;
  eta_seconds: number | null;
}

/** reviews: how many each item gets. reviewers: ids of people; empty for everybody who signs in. */
export interface QueueBody {
  name: string;
  kind?: "replies" | "comparisons";
  wanted?: QueueWanted;
  reviews?: number;
  reviewers?: Array<string>;
}

/** As in `QueueWanted`. */
export interface QueueFound {
  model: string | null;
  link_id: string | null;
  since: string | null;
  before: string | null;
  judged: "any" | "good" | "bad" | "unjudged";
}

/** next: cursor of the next page, `null` at the end. */
export interface QueuePage {
  items: Array<ReviewQueue>;
  next: string | null;
}

/** Which replies or comparisons; `null` for all. judged: what the people of the chats made of it; of comparisons, `any` or `unjudged`. since, before: by when they were made. */
export interface QueueWanted {
  model?: string | null;
  link_id?: string | null;
  since?: string | null;
  before?: string | null;
  judged?: "any" | "good" | "bad" | "unjudged";
}

export interface RatingBody {
  value: number;
}

export interface RedeemBody {
  token: string;
  confirmed?: boolean;
}

/** Either a content or the id of a template. */
export interface RenderBody {
  content?: TemplateContent | null;
  id?: string | null;
  version?: number | null;
  values?: Record<string, JsonValue>;
}

export interface RenderedTemplate {
  system: string;
  user: string;
  problems?: Array<string>;
}

/** name: of a model; without it, all endpoints are asked for their models again. */
export interface RetryBody {
  name?: string | null;
}

/** shown: what was changed since stays as it is. better: an answer in place of the person's, for one judgement that is `edited`. */
export interface ReviewBody {
  shown: Array<ShownJudgement>;
  state: "new" | "accepted" | "rejected" | "edited";
  better?: string;
}

/** items: replies or comparisons in it. given: reviews of them; with `items` times `reviews` all is done. closed_at: since when nobody is asked any more. */
export interface ReviewQueue {
  id: string;
  name: string;
  kind: "replies" | "comparisons";
  wanted: QueueFound;
  reviews: number;
  reviewers: Array<string>;
  created_at: string;
  closed_at: string | null;
  items: number;
  given: number;
}

/** What is to be judged, without what tells the model or what others think of it. id: of the item. prompt: what was written before. replies: one, or the left and the right one. until: it is reserved that long. */
export interface ReviewTask {
  id: string;
  kind: "replies" | "comparisons";
  prompt: Array<ReviewedMessage>;
  replies: Array<string>;
  until: string;
}

/** How many of the judgements were reviewed, how many had changed since they were shown, and how many were not accepted because operators may not read their words. */
export interface Reviewed {
  reviewed: number;
  changed: number;
  unread: number;
}

/** What was answered to a question of the link about the reply; a number for a scale. */
export interface ReviewedAnswer {
  question: string;
  value: string | number;
}

/** A judgement as operators see it. person: a name, or what tells the people of a link apart. asked, reply: how the message and the reply begin; empty where operators may not read them. trains: whether it may be exported once it is accepted. review_better: an operator's answer in place of the person's. */
export interface ReviewedJudgement {
  id: string;
  conversation_id: string;
  message_id: string;
  person_id: string;
  person: string;
  link_id: string | null;
  link: string;
  model: string;
  template: string;
  at: string;
  changed_at: string;
  rating: -1 | 0 | 1;
  reasons: Array<string>;
  comment: string;
  answers: Array<ReviewedAnswer>;
  better: string;
  asked: string;
  reply: string;
  trains: boolean;
  review: "new" | "accepted" | "rejected" | "edited";
  review_better: string;
}

export interface ReviewedMessage {
  role: string;
  text: string;
}

/** Only chosen values; a missing field means the model's default. */
export interface Sampling {
  temperature?: number | null;
  top_p?: number | null;
  top_k?: number | null;
  min_p?: number | null;
  repetition_penalty?: number | null;
  max_tokens?: number | null;
  seed?: number | null;
  stop?: Array<string>;
}

/** Sampling parameters as people send them; a missing one means the model's default. */
export interface SamplingContent {
  temperature?: number | null;
  top_p?: number | null;
  top_k?: number | null;
  min_p?: number | null;
  repetition_penalty?: number | null;
  max_tokens?: number | null;
  seed?: number | null;
  stop?: Array<string>;
}

/** Snapshots of the database. age: seconds since everything stored was in one, `null` before the first. failed: the last attempt. rivals: another server goes on with the same history in the same place. */
export interface Saved {
  age: number | null;
  failed: boolean;
  rivals: boolean;
}

/** ranges: of the matches within `snippet`, in characters. message_id: `null` if the title matched. */
export interface SearchHit {
  conversation_id: string;
  message_id: string | null;
  title: string;
  snippet: string;
  ranges: Array<[number, number]>;
  at: string;
}

/** whole: whether all conversations were searched. */
export interface SearchPage {
  items: Array<SearchHit>;
  next: string | null;
  whole: boolean;
}

/** message_id: of the stored message it comes from. tool_calls: in the form of OpenAI's API. */
export interface SentMessage {
  role: string;
  content: JsonValue;
  message_id: string | null;
  tool_calls?: Array<JsonValue>;
  tool_call_id?: string | null;
}

/** A device on which the caller is signed in. current: the one that asks. */
export interface Session {
  id: string;
  device: string;
  created_at: string;
  used_at: string;
  current: boolean;
}

export interface SessionList {
  sessions: Array<Session>;
}

/** `null` means the model's default. */
export interface Settings {
  model: string | null;
  system_prompt: string | null;
  sampling: Sampling;
  persona: Persona | null;
  inputs?: Record<string, string | number | boolean | Array<string> | null>;
}

export interface SettingsBody {
  model?: string | null;
  system_prompt?: string | null;
  sampling?: SamplingContent;
  persona?: TemplateUseBody | null;
  inputs?: Record<string, boolean | number | string | Array<string> | null>;
}

export interface Share {
  access: "local" | "link" | "open";
}

/** messages: ids of the chosen ones, of the active branch; all of it without. days: until it expires, never without. reasoning, models: whether these are shown, too. masked: replace personal data. preview: let other sites show its title and beginning where the link is posted. title: in place of the chat's. */
export interface ShareBody {
  conversation_id: string;
  messages?: Array<string> | null;
  reasoning?: boolean;
  models?: boolean;
  masked?: boolean;
  days?: number | null;
  password?: string | null;
  allow_copy?: boolean;
  preview?: boolean;
  title?: string;
}

/** Only fields that are present change anything. title: empty for none. days: from now, `null` for never; password: `null` for none. */
export interface ShareChange {
  title?: string;
  days?: number | null;
  password?: string | null;
  allow_copy?: boolean;
}

/** password: of a share that has one. */
export interface ShareCopyBody {
  password?: string | null;
}

/** path: of its page, relative to the server's address. password: whether it has one. over: it has expired. */
export interface SharedChat {
  id: string;
  path: string;
  conversation_id: string;
  title: string;
  created_at: string;
  expires_at: string | null;
  messages: number;
  views: number;
  password: boolean;
  allow_copy: boolean;
  preview: boolean;
  masked: boolean;
  over: boolean;
}

/** Shares, newest first. */
export interface SharedChats {
  items: Array<SharedChat>;
  next: string | null;
}

/** changed_at: as it was when the operator saw it. */
export interface ShownJudgement {
  id: string;
  changed_at: string;
}

/** good: what was thought of it by itself. settings: what it was made with, once the comparison is closed; testers are not told. */
export interface Side {
  message: Message;
  good: boolean | null;
  settings: Settings | null;
}

export interface SignInBody {
  name: string;
  password: string;
}

export interface StartImportBody {
  on_bad?: "skip" | "refuse";
}

/** The state of a reply. wait: `null` once text arrives. */
export interface Status {
  message_id: string;
  state: "queued" | "streaming" | "complete" | "stopped" | "blocked" | "failed" | "interrupted";
  loading: Loading | null;
  queue: Queue | null;
  wait: Wait | null;
}

/** id: one of the earlier owners; empty forgets an older cookie. */
export interface SwitchBody {
  id: string;
}

export interface TakeOverBody {
  giver: string;
}

export interface Template {
  id: string;
  scope: "personal" | "shared";
  mine: boolean;
  may_change: boolean;
  version: number;
  created_at: string;
  updated_at: string;
  content: TemplateText;
  has_system: boolean;
  has_user: boolean;
}

/** based_on: the version that was changed; rejected if there is a newer one. */
export interface TemplateBody {
  content: TemplateContent;
  based_on: number;
  scope?: "personal" | "shared" | null;
  note?: string;
}

/** One version of a template. At least one of its texts is not empty. model: the one it was written for. */
export interface TemplateContent {
  name: string;
  description?: string;
  system?: string;
  user?: string;
  variables?: Array<Variable>;
  sampling?: SamplingContent;
  model?: string | null;
}

export interface TemplateList {
  items: Array<ListedTemplate>;
}

export interface TemplateName {
  name: string;
  description: string;
}

/** The texts of a template. model: the one it was written for. */
export interface TemplateText {
  name: string;
  description: string;
  system: string;
  user: string;
  variables: Array<TemplateVariable>;
  sampling: Sampling;
  model: string | null;
}

/** The version of a prompt template that a text was made from. */
export interface TemplateUse {
  id: string;
  version: number;
  name: string;
}

/** values: scalars of the variables' types. */
export interface TemplateUseBody {
  id: string;
  version: number;
  name?: string;
  values?: Record<string, boolean | number | string | null>;
}

/** A field of the form. default: its initial value. */
export interface TemplateVariable {
  name: string;
  label: string;
  type: "text" | "long_text" | "number" | "choice" | "date" | "yes_no";
  default: boolean | number | string | null;
  required: boolean;
  choices: Array<string>;
  hint: string;
}

export interface TemplateVersion {
  number: number;
  created_at: string;
  author: string;
  note: string;
  content: TemplateText;
}

/** The newest first. */
export interface TemplateVersionList {
  items: Array<ListedTemplateVersion>;
}

export interface TemplatesUsed {
  persona: TemplateUse | null;
  user: TemplateUse | null;
  chat: ChatTemplateUse | null;
}

/** What is left out stays as it is, or unrestricted for a new link. The fields are explained at `webchat.store.link_records.LinkTerms`. */
export interface TermsContent {
  models?: Array<string>;
  blind?: boolean;
  template?: string | null;
  title?: string;
  opening?: string;
  instructions?: string;
  language?: "" | "en" | "zh-CN";
  people?: number | null;
  conversations?: number | null;
  messages?: number | null;
  tokens?: number | null;
  replies_at_once?: number | null;
  conversations_each?: number | null;
  messages_each?: number | null;
  tokens_each?: number | null;
  asks?: Array<"thumbs" | "tags" | "better_answer" | "compare">;
  reasons?: Array<string>;
  questions?: Array<QuestionContent>;
  consent?: string;
  training?: boolean;
  inspect?: boolean;
  system_prompt?: boolean;
  retention_days?: number | null;
  moderation_profile?: string;
  shares?: boolean;
}

/** The messages of the active branch, oldest first. older: the message before which to ask for earlier ones. */
export interface Thread {
  conversation: Conversation;
  messages: Array<Message>;
  older: string | null;
}

/** pieces: what each token adds to the text. */
export interface Tokens {
  ids: Array<number>;
  pieces: Array<string>;
}

/** A tool call of a model. arguments: JSON, as the model wrote it. */
export interface ToolCall {
  id: string;
  name: string;
  arguments: string;
}

export interface TrainingBody {
  trains: boolean;
}

/** ends_at: when it is deleted permanently. The other fields are explained at `webchat.store.records.TrashItem`. */
export interface TrashItem {
  kind: "conversation" | "messages";
  id: string;
  conversation_id: string;
  title: string;
  deleted_at: string;
  ends_at: string;
  role: "system" | "user" | "assistant" | "tool" | null;
  excerpt: string;
  count: number;
}

/** days: how long deleted items can be restored. */
export interface TrashPage {
  items: Array<TrashItem>;
  next: string | null;
  days: number;
}

/** checked: how many texts. whole: whether all were checked. */
export interface Trial {
  items: Array<TriedText>;
  checked: number;
  whole: boolean;
}

/** A text, or the newest stored messages. rules: in the file format, instead of the active ones. */
export interface TrialBody {
  stage?: "input" | "prompt" | "output" | "stored";
  text?: string | null;
  last?: number | null;
  rules?: string | null;
}

/** What the rules would do with a text. text: starts at character `from` of it. blocked: the rule that blocks it; sentence: the message people see then; own: whether the operator wrote it. result: the text that would pass. The fields from `message_id` to `length` describe a stored message. */
export interface TriedText {
  message_id?: string | null;
  conversation_id?: string | null;
  owner_id?: string | null;
  role?: "system" | "user" | "assistant" | "tool" | null;
  at?: string | null;
  length?: number | null;
  text: string;
  from: number;
  result: string | null;
  blocked: string | null;
  sentence: string;
  own: boolean;
  findings: Array<ModerationFinding>;
  found: number;
}

/** owner: the owner the page believes it acts for; rejected for anyone else, who may have signed in since. client_key: repeating a key returns the same turn. against: for two replies side by side. */
export interface TurnBody {
  owner?: string | null;
  kind: "send" | "regenerate" | "edit" | "continue";
  client_key: string;
  conversation_id?: string | null;
  parent_id?: string | null;
  message_id?: string | null;
  text?: string | null;
  model?: string | null;
  settings?: SettingsBody | null;
  template?: TemplateUseBody | null;
  against?: AgainstBody | null;
}

/** state: in which it ended. */
export interface TurnNews {
  conversation_id: string;
  message_id: string;
  state: "queued" | "streaming" | "complete" | "stopped" | "blocked" | "failed" | "interrupted" | null;
}

/** A field of the form. default: its initial value, `None` for none. */
export interface Variable {
  name: string;
  label?: string;
  type?: "text" | "long_text" | "number" | "choice" | "date" | "yes_no";
  default?: boolean | number | string | null;
  required?: boolean;
  choices?: Array<string>;
  hint?: string;
}

/** preferred: which side is better. left_good, right_good: whether each is good by itself; `null` for no opinion. Two bad ones are a `tie` of sides that are not good. */
export interface VoteBody {
  preferred: "left" | "right" | "tie";
  left_good?: boolean | null;
  right_good?: boolean | null;
  comment?: string;
}

/** Why there is no text yet. Durations relative to now, in ms, because browsers' clocks differ. retry_in_ms: until a refusing endpoint is tried again, 0 for now. attempt: how often it has refused. */
export interface Wait {
  reason: "review" | "loading" | "queue" | "first_token" | "rate_limited" | "endpoint_loading" | "unavailable";
  since_ms: number;
  retry_in_ms: number | null;
  attempt: number;
}

/** The JSON that a request is answered with. */
export type Answer<M extends string, P extends string> =
  [M, P] extends ["POST", `api/conversations/take-over`] ? Moved :
  [M, P] extends ["GET", `api/moderation/decisions`] ? DecisionPage :
  [M, P] extends ["POST", `api/judgements/review`] ? Reviewed :
  [M, P] extends ["GET", `api/moderation/counts`] ? DecisionCounts :
  [M, P] extends ["POST", `api/templates/render`] ? RenderedTemplate :
  [M, P] extends ["POST", `api/templates/import`] ? Template :
  [M, P] extends ["POST", `api/moderation/try`] ? Trial :
  [M, P] extends ["GET", `api/conversations`] ? ConversationPage :
  [M, P] extends ["DELETE", `api/conversations`] ? DeletedConversations :
  [M, P] extends ["POST", `api/models/retry`] ? ModelList :
  [M, P] extends ["GET", `api/me/sessions`] ? SessionList :
  [M, P] extends ["GET", `api/judgements`] ? JudgementPage :
  [M, P] extends ["GET", `api/moderation`] ? Moderation :
  [M, P] extends ["GET", `api/templates`] ? TemplateList :
  [M, P] extends ["POST", `api/templates`] ? Template :
  [M, P] extends ["POST", `api/handover`] ? Handover :
  [M, P] extends ["GET", `api/me/keys`] ? ApiKeyList :
  [M, P] extends ["POST", `api/me/keys`] ? NewApiKey :
  [M, P] extends ["GET", `api/imports`] ? ImportList :
  [M, P] extends ["POST", `api/imports`] ? Import :
  [M, P] extends ["GET", `api/reviews`] ? AssignedQueues :
  [M, P] extends ["GET", `api/models`] ? ModelList :
  [M, P] extends ["GET", `api/search`] ? SearchPage :
  [M, P] extends ["GET", `api/export`] ? Archive :
  [M, P] extends ["GET", `api/queues`] ? QueuePage :
  [M, P] extends ["POST", `api/queues`] ? ReviewQueue :
  [M, P] extends ["GET", `api/shares`] ? SharedChats :
  [M, P] extends ["POST", `api/shares`] ? SharedChat :
  [M, P] extends ["GET", `api/trash`] ? TrashPage :
  [M, P] extends ["POST", `api/turns`] ? BegunTurn :
  [M, P] extends ["GET", `api/links`] ? LinkPage :
  [M, P] extends ["POST", `api/links`] ? MadeLink :
  [M, P] extends ["GET", `api/link`] ? GuestLink :
  [M, P] extends ["GET", `healthz`] ? Health :
  [M, P] extends ["GET", `api/me`] ? Me :
  [M, P] extends ["PATCH", `api/me`] ? Person :
  [M, P] extends ["GET", `readyz`] ? Health :
  [M, P] extends ["GET", `api/templates/${string}/versions/${string}`] ? TemplateVersion :
  [M, P] extends ["POST", `api/chat-templates/${string}/preview`] ? ChatTemplatePreview :
  [M, P] extends ["POST", `api/conversations/${string}/restore`] ? Conversation :
  [M, P] extends ["GET", `api/conversations/${string}/export`] ? Archive :
  [M, P] extends ["GET", `api/conversations/${string}/origin`] ? Origin :
  [M, P] extends ["POST", `api/comparisons/${string}/continue`] ? Thread :
  [M, P] extends ["POST", `api/templates/${string}/duplicate`] ? Template :
  [M, P] extends ["GET", `api/messages/${string}/judgement`] ? Judgement :
  [M, P] extends ["PUT", `api/messages/${string}/judgement`] ? Judgement :
  [M, P] extends ["GET", `api/templates/${string}/versions`] ? TemplateVersionList :
  [M, P] extends ["POST", `api/messages/${string}/activate`] ? Thread :
  [M, P] extends ["POST", `api/templates/${string}/restore`] ? Template :
  [M, P] extends ["POST", `api/messages/${string}/restore`] ? Thread :
  [M, P] extends ["POST", `api/comparisons/${string}/vote`] ? Comparison :
  [M, P] extends ["GET", `api/messages/${string}/inspect`] ? Inspection :
  [M, P] extends ["PUT", `api/messages/${string}/rating`] ? Message :
  [M, P] extends ["POST", `api/links/${string}/duplicate`] ? MadeLink :
  [M, P] extends ["GET", `api/chat-templates/${string}`] ? ChatTemplate :
  [M, P] extends ["PUT", `api/chat-templates/${string}`] ? ChatTemplate :
  [M, P] extends ["GET", `api/conversations/${string}`] ? Thread :
  [M, P] extends ["PATCH", `api/conversations/${string}`] ? Conversation :
  [M, P] extends ["POST", `api/imports/${string}/start`] ? Import :
  [M, P] extends ["POST", `api/messages/${string}/edit`] ? Thread :
  [M, P] extends ["GET", `api/links/${string}/answers`] ? GivenAnswerPage :
  [M, P] extends ["PUT", `api/imports/${string}/data`] ? Import :
  [M, P] extends ["POST", `api/links/${string}/revoke`] ? Link :
  [M, P] extends ["GET", `api/comparisons/${string}`] ? Comparison :
  [M, P] extends ["POST", `api/queues/${string}/next`] ? NextReview :
  [M, P] extends ["POST", `api/shares/${string}/copy`] ? Conversation :
  [M, P] extends ["GET", `api/templates/${string}`] ? Template :
  [M, P] extends ["PUT", `api/templates/${string}`] ? Template :
  [M, P] extends ["GET", `api/messages/${string}`] ? MessageDetails :
  [M, P] extends ["DELETE", `api/messages/${string}`] ? Thread :
  [M, P] extends ["GET", `api/imports/${string}`] ? Import :
  [M, P] extends ["PUT", `api/reviews/${string}`] ? GivenReview :
  [M, P] extends ["PATCH", `api/shares/${string}`] ? SharedChat :
  [M, P] extends ["GET", `api/links/${string}`] ? Link :
  [M, P] extends ["PATCH", `api/links/${string}`] ? Link :
  any;

/** The JSON that is sent with a request. */
export type Body<M extends string, P extends string> =
  [M, P] extends ["POST", `api/conversations/take-over`] ? TakeOverBody :
  [M, P] extends ["POST", `api/judgements/review`] ? ReviewBody :
  [M, P] extends ["POST", `api/templates/render`] ? RenderBody :
  [M, P] extends ["POST", `api/templates/import`] ? ImportBody :
  [M, P] extends ["POST", `api/handover/redeem`] ? HandoverBody :
  [M, P] extends ["POST", `api/moderation/try`] ? TrialBody :
  [M, P] extends ["POST", `api/models/retry`] ? RetryBody :
  [M, P] extends ["POST", `sign-in/password`] ? SignInBody :
  [M, P] extends ["PUT", `api/me/password`] ? PasswordBody :
  [M, P] extends ["PUT", `api/me/training`] ? TrainingBody :
  [M, P] extends ["POST", `api/templates`] ? NewTemplateBody :
  [M, P] extends ["POST", `api/me/keys`] ? NewApiKeyBody :
  [M, P] extends ["POST", `api/imports`] ? NewImportBody :
  [M, P] extends ["POST", `api/consent`] ? ConsentBody :
  [M, P] extends ["POST", `api/answers`] ? AnswersBody :
  [M, P] extends ["POST", `api/queues`] ? QueueBody :
  [M, P] extends ["POST", `api/shares`] ? ShareBody :
  [M, P] extends ["POST", `api/turns`] ? TurnBody :
  [M, P] extends ["POST", `api/links`] ? NewLinkBody :
  [M, P] extends ["POST", `t/redeem`] ? RedeemBody :
  [M, P] extends ["POST", `t/switch`] ? SwitchBody :
  [M, P] extends ["PATCH", `api/me`] ? NameBody :
  [M, P] extends ["POST", `api/chat-templates/${string}/preview`] ? PreviewBody :
  [M, P] extends ["POST", `api/comparisons/${string}/continue`] ? GoOnBody :
  [M, P] extends ["POST", `api/templates/${string}/duplicate`] ? DuplicateBody :
  [M, P] extends ["PUT", `api/messages/${string}/judgement`] ? JudgementBody :
  [M, P] extends ["POST", `api/comparisons/${string}/vote`] ? VoteBody :
  [M, P] extends ["PUT", `api/messages/${string}/rating`] ? RatingBody :
  [M, P] extends ["POST", `api/links/${string}/duplicate`] ? DuplicateLinkBody :
  [M, P] extends ["PUT", `api/chat-templates/${string}`] ? ChatTemplateBody :
  [M, P] extends ["PATCH", `api/conversations/${string}`] ? ConversationBody :
  [M, P] extends ["POST", `api/imports/${string}/start`] ? StartImportBody :
  [M, P] extends ["POST", `api/messages/${string}/edit`] ? EditBody :
  [M, P] extends ["POST", `api/shares/${string}/copy`] ? ShareCopyBody :
  [M, P] extends ["PUT", `api/templates/${string}`] ? TemplateBody :
  [M, P] extends ["PUT", `api/reviews/${string}`] ? NewReviewBody :
  [M, P] extends ["PATCH", `api/shares/${string}`] ? ShareChange :
  [M, P] extends ["PATCH", `api/links/${string}`] ? LinkBody :
  any;
