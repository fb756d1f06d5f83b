// markdown-it's types, with what our rules keep in its tokens and states.

import type * as Library from "../vendor/markdown-it/markdown-it.js";
import type { Definitions } from "./definitions.js";

export type MarkdownIt = Library.MarkdownIt;
export type Env = ReturnType<Definitions["scope"]>;

/** within: of an element that is drawn in parts, the tokens of the whole and its place among them. */
export type Token = Library.Token & { meta: any; within?: [Token[], number]; runsLeft?: boolean };
export type CoreState = Library.StateCore & { env: any };
export type BlockState = Library.StateBlock & { env: any; depth?: number };
export type InlineState = Library.StateInline & { env: any; closes?: Record<string, number>; partners?: Record<string, number> };
export type Reader = Pick<CoreState, "md" | "env">;
export type BlockRule = (state: BlockState, startLine: number, endLine: number, silent: boolean) => boolean;
export type Normalize = (label: string) => string;
