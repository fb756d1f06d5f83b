// Which rules are on, in the order they act, and how to switch them on where none are.

import { api } from "../api.js";
import { h } from "../dom.js";
import { has, listed, t } from "../i18n.js";
import { actionBadge, copy, counted, failed, note, ruleName, stageName } from "./parts.js";

/** @import { Child } from "../dom.js" */
/** @import { Masking, Moderation, Moderator } from "../types.js" */
/** @import { Page } from "./parts.js" */

const example = () => `[[moderators]]
kind = "phrases"
action = "block"
phrases = ["secret project", "机密项目"]
sentence = "${t("moderation.example_sentence")}"

[[moderators]]
kind = "secrets"

[[moderators]]
kind = "limits"
most_a_minute = 20
`;

/** @param {Page} page */
export function rulesTab(page) {
  const element = h("div", { class: "wc-mod-rules" });
  load();

  async function load() {
    element.setAttribute("aria-busy", "true");
    try {
      element.replaceChildren(...drawn(await api.get("api/moderation"), page));
    } catch (error) {
      element.replaceChildren(failed(error, load));
    }
    element.removeAttribute("aria-busy");
  }

  return { element };
}

/** @param {Moderation} found @param {Page} page */
function drawn(found, page) {
  const on = found.moderators.filter((one) => one.kind !== "tidy");
  const parts = [];
  if (found.dropped) parts.push(note(t("moderation.dropped", { count: found.dropped }), { kind: "wc-danger" }));
  if (on.length) {
    parts.push(h("p", { class: "wc-mod-lead" }, t("moderation.order")));
    parts.push(h("ol", { class: "wc-mod-list" }, found.moderators.map(card)));
    if (found.file) parts.push(h("p", { class: "wc-mod-small" }, t("moderation.file"), " ", h("code", {}, found.file), t("moderation.file_hint")));
  } else {
    parts.push(howTo(page));
  }
  for (const [name, moderators] of Object.entries(found.profiles)) {
    parts.push(h("section", { class: "wc-mod-section" }, h("h3", {}, t("moderation.profile", { name })), h("p", {}, t("moderation.profile_is")), h("ol", { class: "wc-mod-list" }, moderators.map(card))));
  }
  if (found.masking) parts.push(masking(found.masking));
  parts.push(
    h("section", { class: "wc-mod-section" }, h("h3", {}, t("moderation.privacy")), h("p", {}, t(found.keeps_content ? "moderation.keeps_content" : "moderation.keeps_no_content", { days: found.days }))),
  );
  return parts;
}

/** @param {Moderator} one */
function card(one) {
  const kind = has(`moderation.kind.${one.kind}`) ? t(`moderation.kind.${one.kind}`) : one.kind;
  if (one.kind === "tidy") return h("li", { class: "wc-mod-card" }, h("h3", {}, kind), h("p", { class: "wc-mod-quiet" }, t("moderation.what_tidy")));
  const facts = [
    [t("moderation.looks_at"), one.stages.map(stageName).join(" · ")],
    [t("moderation.holds"), holds(one)],
    [t("moderation.if_it_fails"), t(`moderation.fail.${one.fail}`)],
    [t("moderation.time"), t("moderation.seconds", { seconds: one.seconds })],
  ];
  const sentences = new Set(one.rules.map((rule) => rule.action === "block" && rule.sentence).filter(Boolean));
  return h(
    "li",
    { class: "wc-mod-card" },
    h("div", { class: "wc-mod-card-head" }, h("h3", {}, one.kind === one.name ? kind : one.name), one.kind === one.name ? null : h("span", { class: "wc-mod-kind" }, kind), actionBadge(one.action, "does")),
    [...sentences].map((sentence) => h("blockquote", {}, sentence)),
    h("dl", { class: "wc-mod-facts" }, facts.filter(([, value]) => value).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
  );
}

// What it has to look for, in a few words.
/** @param {Moderator} one */
function holds(one) {
  const limits = one.rules.filter((rule) => rule.most !== null);
  if (limits.length) return limits.map((rule) => t(`moderation.limit.${rule.id}`, { most: rule.most })).join(" · ");
  if (one.kind === "secrets") return listed(one.rules.map((rule) => ruleName(rule.id)));
  if (has(`moderation.count.${one.kind}`)) return counted(`moderation.count.${one.kind}`, one.count);
  return one.rules.length > 1 ? listed(one.rules.map((rule) => ruleName(rule.id))) : "";
}

// Personal data on its way to models. when: off, remote or always; keep: encrypted or never; kinds: what is looked for.
/** @param {Masking} masking */
function masking({ when, keep, kinds }) {
  const names = listed(kinds.map((kind) => ruleName(`personal.${kind}`)));
  const on = when === "off" ? [] : [h("p", {}, t("moderation.masking.kinds", { kinds: names })), h("p", {}, t(`moderation.masking.keep.${keep}`))];
  return h("section", { class: "wc-mod-section" }, h("h3", {}, t("moderation.masking")), h("p", {}, t(`moderation.masking.${when}`)), on);
}

/** @param {Page} page */
function howTo(page) {
  /** @param {string} words @param {...Child} more */
  const step = (words, ...more) => h("li", {}, h("p", {}, words), more);
  return h(
    "section",
    { class: "wc-mod-empty" },
    h("h3", {}, t("moderation.off")),
    h("p", {}, t("moderation.off_hint")),
    h(
      "ol",
      {},
      step(
        t("moderation.step_write"),
        h("pre", { class: "wc-mono", tabindex: "0", "aria-label": "rules.toml" }, example()),
        h("div", { class: "wc-mod-row" }, h("button", { type: "button", class: "wc-button", onclick: () => copy(example()) }, t("moderation.copy")), h("button", { type: "button", class: "wc-button", onclick: () => page.show("try", { rules: example() }) }, t("moderation.try_these"))),
      ),
      step(t("moderation.step_start"), h("pre", { class: "wc-mono", tabindex: "0" }, "webchat --moderation rules.toml")),
    ),
  );
}
