// A template's content as it is edited and as it is sent.

/** @import { TemplateText } from "../types.js" */

/** @type {TemplateText} */
export const EMPTY = { name: "", description: "", system: "", user: "", variables: [], sampling: {}, model: null };

// A copy to write in. A label that only repeats the name is left empty, so that it follows the name.
/** @param {Partial<TemplateText>} content */
export function drafted(content) {
  const draft = structuredClone({ ...EMPTY, ...content });
  for (const variable of draft.variables) {
    if (variable.label === variable.name) variable.label = "";
    variable.choices ??= [];
  }
  return draft;
}

/** @param {TemplateText} draft @returns {TemplateText} */
export function outgoing(draft) {
  const set = (/** @type {[string, unknown]} */ [, value]) => value !== null && value !== undefined && !(Array.isArray(value) && !value.length);
  return {
    ...draft,
    name: draft.name.trim(),
    description: draft.description.trim(),
    model: draft.model || null,
    sampling: Object.fromEntries(Object.entries(draft.sampling ?? {}).filter(set).sort()),
    variables: draft.variables.map((variable) => ({ ...variable, label: variable.label.trim() || variable.name, hint: variable.hint.trim() })),
  };
}

// Whether two contents say the same.
/** @param {TemplateText} one @param {TemplateText} other */
export const same = (one, other) => JSON.stringify(outgoing(one)) === JSON.stringify(outgoing(other));
