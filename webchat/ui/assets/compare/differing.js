// What two sides of a comparison were made with, as far as it differs. Without a document, so that it can be tested by itself.

/** @import { Settings } from "../types.js" */
/** @typedef {{ model: string, changes: Settings | null }} Other what answers beside: changes is null for another model alone */

/** The settings of one side that the other does not have, as pairs of a name and a value; null is the model's default. */
/** @param {Settings} mine @param {Settings} other @returns {[string, unknown][]} */
export function differing(mine, other) {
  const names = [...new Set([...Object.keys(mine.sampling), ...Object.keys(other.sampling)])].sort();
  /** @param {Settings} side @param {string} name */
  const value = ({ sampling }, name) => sampling[/** @type {keyof Settings["sampling"]} */ (name)] ?? null;
  /** @type {[string, unknown][]} */
  const found = names.filter((name) => JSON.stringify(value(mine, name)) !== JSON.stringify(value(other, name))).map((name) => [name, value(mine, name)]);
  if ((mine.system_prompt ?? "") === (other.system_prompt ?? "")) return found;
  return [mine.persona ? ["persona", mine.persona.name] : ["system_prompt", mine.system_prompt], ...found];
}

/** What is compared with once a chat goes on with other settings: with those it had, if it took over the other side. */
/** @param {Other} other @param {{ model: string, settings: Settings }} before @param {{ model: string, settings: Settings }} now @returns {Other} */
export function turned(other, before, now) {
  const { model, changes } = other;
  if (now.model !== model || (changes && differing(changes, now.settings).length)) return other;
  return { model: before.model, changes: changes && before.settings };
}
