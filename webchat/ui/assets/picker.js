// The model picker: Gradio's dropdown, fed with the models and their state.

import { bus } from "./bus.js";
import { roughly } from "./conversation/format.js";
import { t } from "./i18n.js";
import { settings } from "./settings.js";

let announce = () => {};

// announce: tells Gradio's listener in wiring.py to fetch `pickerUpdate`.
export function mountPicker(trigger) {
  announce = () => trigger("change");
  bus.on("models", refresh);
  bus.on("settings", refresh);
  const input = document.querySelector("#wc-picker input");
  input.setAttribute("aria-label", t("picker.label"));
  // What is typed is looked for; it does not go into the name that stands there.
  input.addEventListener("focus", () => requestAnimationFrame(() => input.select()));
  refresh();
}

let shown = "";

function refresh() {
  const now = JSON.stringify(pickerUpdate());
  if (now === shown) return;
  shown = now;
  announce();
}

export function pickerUpdate() {
  const several = settings.models.filter((model) => model.in_process).length > 1;
  const choices = settings.models.map((model) => [labelOf(model, several), model.name]);
  return { __type__: "update", choices, value: settings.model ?? null };
}

// several: there is a choice between models that take turns in this machine's memory.
function labelOf({ name, status, progress, failure, in_process: here, load_seconds: seconds }, several) {
  const note = {
    loading: () => progressNote(progress),
    failed: () => t("picker.failed"),
    unfit: () => t("picker.unfit", failure?.params),
    ready: () => (several && here ? t("picker.loaded") : ""),
    idle: () => (several && seconds ? t("picker.loads", { time: roughly(seconds, t) }) : ""),
  }[status]?.();
  return note ? `${name} · ${note}` : name;
}

function progressNote(progress) {
  if (!progress?.total || !progress.done) return t("picker.loading");
  return t("picker.loading_percent", { percent: Math.floor((100 * progress.done) / progress.total) });
}
