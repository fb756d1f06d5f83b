// What the templates' surfaces share: the list, kept a short while, the verbs of the API, and what it refuses.

import { api } from "../api.js";
import { errorLine, has, t } from "../i18n.js";

/** @import { Failure, ListedTemplate, ListedTemplateVersion, Template, TemplateBody, TemplateText } from "../types.js" */

const FRESH = 30_000; // ms

/** @type {{ at: number, items: Promise<ListedTemplate[]> } | null} */
let kept = null; // {at, items}: a promise of the list

// Own and shared templates, by name, each without its texts: `verbs.get` has those; asked for again when what is kept is old.
export function templates({ fresh = false } = {}) {
  if (!fresh && kept && performance.now() - kept.at <= FRESH) return kept.items;
  /** @type {Promise<ListedTemplate[]>} */
  const items = api.get("api/templates").then((page) => page.items);
  const mine = (kept = { at: performance.now(), items });
  items.catch(() => kept === mine && (kept = null));
  return items;
}

// What was kept is no longer true.
export function forget() {
  kept = null;
}

/** @template Answer @param {Promise<Answer>} work */
const changing = async (work) => {
  const answer = await work;
  forget();
  return answer;
};

/** @param {string} id @returns {`api/templates/${string}`} */
const of = (id) => /** @type {const} */ (`api/templates/${encodeURIComponent(id)}`);

export const verbs = {
  /** @param {string} id */
  get: (id) => api.get(of(id)),
  /** @param {Template["scope"]} scope @param {TemplateText} content @param {string} [note] */
  create: (scope, content, note) => changing(api.post("api/templates", { scope, content, ...(note ? { note } : {}) })),
  /** @param {string} id @param {TemplateBody} body */
  save: (id, body) => changing(api.put(of(id), body)),
  /** @param {string} id */
  remove: (id) => changing(api.delete(of(id))),
  /** @param {string} id */
  restore: (id) => changing(api.post(`${of(id)}/restore`)),
  /** @param {string} id @param {string} [name] */
  duplicate: (id, name) => changing(api.post(`${of(id)}/duplicate`, name ? { name } : {})),
  /** @param {string} id @returns {Promise<ListedTemplateVersion[]>} */
  versions: async (id) => (await api.get(`${of(id)}/versions`)).items,
  /** @param {string} id @param {number} number */
  version: (id, number) => api.get(`${of(id)}/versions/${number}`),
  /** @param {object} body @param {AbortSignal} [signal] */
  render: (body, signal) => api.post("api/templates/render", body, { signal }),
  /** @param {string} text */
  import: (text) => changing(api.post("api/templates/import", { text })),
  /** @param {string} id */
  exportPath: (id) => `${of(id)}/export`,
};

// Those whose name, or else description, holds the query: names that begin with it first, otherwise in their order.
/** @param {ListedTemplate[]} items @param {string} query */
export function matching(items, query) {
  const wanted = query.trim().toLocaleLowerCase();
  if (!wanted) return items;
  /** @param {ListedTemplate} template */
  const rank = ({ content: { name, description } }) => {
    const at = name.toLocaleLowerCase().indexOf(wanted);
    if (at >= 0) return at === 0 ? 0 : 1;
    return description.toLocaleLowerCase().includes(wanted) ? 2 : 3;
  };
  const ranked = items.map((item) => ({ item, place: rank(item) })).filter(({ place }) => place < 3);
  return ranked.sort((one, other) => one.place - other.place).map(({ item }) => item);
}

// What is wrong with a template or a value, in the words for its reason where there are some.
/** @param {Failure} error */
export function problemText(error) {
  const { reason, line } = error.params ?? {};
  const key = error.code === "template_values" ? `templates.value.${reason}` : `error.${error.code}.${reason}`;
  const placed = line !== 0 || reason.startsWith("too_"); // the other words name the line
  return reason && placed && has(key) ? t(key, error.params) : errorLine(error);
}
