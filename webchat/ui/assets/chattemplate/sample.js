// The conversation a chat template is tried on: a few messages one may change.

import { h, iconButton, the } from "../dom.js";
import { t } from "../i18n.js";

const ROLES = ["system", "user", "assistant"];
const MOST = 12;

// onChange(): other messages than before.
/** @param {() => void} onChange */
export function sampleBox(onChange) {
  const list = h("ol", { class: "wc-sample" });
  const add = h("button", { type: "button", class: "wc-link", onclick: () => added() }, t("chattemplate.add"));
  const changed = () => {
    add.hidden = list.childElementCount >= MOST;
    onChange();
  };
  /** @param {{ role: string, content: string }} message */
  const row = ({ role, content }) => {
    const choice = h("select", { class: "wc-input wc-sample-role", "aria-label": t("chattemplate.role") }, ROLES.map((name) => h("option", { value: name, selected: name === role }, t(`inspect.role.${name}`))));
    const text = h("textarea", { class: "wc-input wc-sample-text", rows: "1", dir: "auto", "aria-label": t("chattemplate.message") });
    text.value = content;
    const item = h("li", {}, choice, text, iconButton("close", t("chattemplate.remove"), () => (item.remove(), changed())));
    choice.addEventListener("change", changed);
    text.addEventListener("input", changed);
    return item;
  };
  const added = () => {
    const last = list.lastElementChild?.querySelector("select")?.value;
    const item = row({ role: last === "user" ? "assistant" : "user", content: "" });
    list.append(item);
    item.querySelector("textarea")?.focus();
    changed();
  };
  list.append(...["system", "user", "assistant", "user"].map((role, index) => row({ role, content: t(`chattemplate.sample.${index + 1}`) })));
  return {
    element: h("div", {}, list, add),
    get messages() {
      return [...list.children].map((item) => ({ role: the("select", item).value, content: the("textarea", item).value }));
    },
  };
}
