// The library's own rules, which some of ours wrap.

/** @template {(...place: any[]) => any} Rule @param {{ __rules__: { name: string, fn: Rule }[] }} ruler @param {string} sought */
export function ruleOf(ruler, sought) {
  const rule = ruler.__rules__.find(({ name }) => name === sought);
  if (!rule) throw new Error(`no rule ${sought}`);
  return rule.fn;
}
