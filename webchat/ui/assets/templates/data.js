// What the templates' surfaces share: the list, kept a short while, the verbs of the API, and what it refuses.

import { api } from "../api.js";
import { errorLine, has, t } from "../i18n.js";

const FRESH = 30_000; // ms

let kept = null; // {at, items}: a promise of the list

// Own and shared templates, by name, each without its texts: `verbs.get` has those; asked for again when what is kept is old.
export function templates({ fresh = false } = {}) {
  if (fresh || !kept || performance.now() - kept.at > FRESH) {
    const items = api.get("api/templates").then((page) => page.items);
    const mine = (kept = { at: performance.now(), items });
    items.catch(() => kept === mine && (kept = null));
  }
  return kept.items;
}

// What was kept is no longer true.
export function forget() {
  kept = null;
}

const changing = async (work) => {
  const answer = await work;
  forget();
  return answer;
};

const of = (id) => `api/templates/${encodeURIComponent(id)}`;

export const verbs = {
  get: (id) => api.get(of(id)),
  create: (scope, content, note) => changing(api.post("api/templates", { scope, content, ...(note ? { note } : {}) })),
  save: (id, body) => changing(api.put(of(id), body)),
  remove: (id) => changing(api.delete(of(id))),
  restore: (id) => changing(api.post(`${of(id)}/restore`)),
  duplicate: (id, name) => changing(api.post(`${of(id)}/duplicate`, name ? { name } : {})),
  versions: async (id) => (await api.get(`${of(id)}/versions`)).items,
  version: (id, number) => api.get(`${of(id)}/versions/${number}`),
  render: (body, signal) => api.post("api/templates/render", body, { signal }),
  import: (text) => changing(api.post("api/templates/import", { text })),
  exportPath: (id) => `${of(id)}/export`,
};

// Those whose name, or else description, holds the query: names that begin with it first, otherwise in their order.
export function matching(items, query) {
  const wanted = query.trim().toLocaleLowerCase();
  if (!wanted) return items;
  const rank = ({ content: { name, description } }) => {
    const at = name.toLocaleLowerCase().indexOf(wanted);
    if (at >= 0) return at === 0 ? 0 : 1;
    return description.toLocaleLowerCase().includes(wanted) ? 2 : 3;
  };
  const ranked = items.map((item) => [rank(item), item]).filter(([place]) => place < 3);
  return ranked.sort(([a], [b]) => a - b).map(([, item]) => item);
}

// What is wrong with a template or a value, in the words for its reason where there are some.
export function problemText(error) {
  const { reason, line } = error.params ?? {};
  const key = error.code === "template_values" ? `templates.value.${reason}` : `error.${error.code}.${reason}`;
  const placed = line !== 0 || reason.startsWith("too_"); // the other words name the line
  return reason && placed && has(key) ? t(key, error.params) : errorLine(error);
}
