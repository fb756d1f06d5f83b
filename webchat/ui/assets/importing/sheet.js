// Importing a file: choose it, see what is in it, decide, watch it come in. Closing the sheet stops nothing on the server;
// opening it again shows how far it is.

import { api, ApiError } from "../api.js";
import { bus } from "../bus.js";
import { h, icon } from "../dom.js";
import { errorLine, t } from "../i18n.js";
import { openSheet } from "../sheet.js";
import { tell } from "../sidebar/deeds.js";
import { style } from "../style.js";
import { findings, problems } from "./report.js";
import { pause, upload } from "./upload.js";

/** @import { Child } from "../dom.js" */
/** @import { Import } from "../types.js" */

const ASK_SECONDS = 0.6;
const FINISHED = new Set(["done", "cancelled", "failed"]);

/** @type {ImportSheet | null} */
let open = null;

// show: opens a conversation. file: one that was dropped.
/** @param {(id: string) => void} show @param {File} [file] */
export async function openImport(show, file) {
  if (open) return;
  open = new ImportSheet(show);
  await style("import");
  open.show(file);
}

class ImportSheet {
  #show;
  #body = h("div", { class: "wc-import-body" });
  #leaving = new AbortController();
  /** @type {ReturnType<typeof openSheet> | null} */
  #sheet = null;
  /** @type {Record<string, string>} */
  #products = {};

  /** @param {(id: string) => void} show */
  constructor(show) {
    this.#show = show;
  }

  /** @param {File} [file] */
  async show(file) {
    const off = bus.on("out", () => this.#sheet?.dialog.close());
    const onClose = () => (off(), this.#leaving.abort(), (open = null));
    this.#sheet = openSheet("import", { title: t("import.title"), body: this.#body, onClose });
    this.#mountDrop(this.#sheet.dialog);
    try {
      const { items, products } = await api.get("api/imports");
      this.#products = products;
      const [unfinished] = items.filter((item) => !FINISHED.has(item.state));
      if (unfinished && unfinished.state !== "uploading") return this.#follow(unfinished);
      if (file) return this.#begin(file, unfinished);
      this.#choose(unfinished);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** @param {HTMLElement} dialog */
  #mountDrop(dialog) {
    const zone = () => this.#body.querySelector(".wc-import-zone");
    dialog.addEventListener("dragover", (event) => {
      if (!zone()) return;
      event.preventDefault();
      zone()?.classList.add("wc-over");
    });
    dialog.addEventListener("dragleave", () => zone()?.classList.remove("wc-over"));
    dialog.addEventListener("drop", (event) => {
      const [file] = event.dataTransfer?.files ?? [];
      if (!zone() || !file) return;
      event.preventDefault();
      this.#begin(file, this.#waiting);
    });
  }

  /** @type {Import | undefined} */
  #waiting;

  // waiting: an import of which a part has arrived.
  /** @param {Import} [waiting] */
  #choose(waiting) {
    this.#waiting = waiting;
    const input = h("input", { type: "file", class: "wc-import-file", accept: ".zip,.json,.jsonl", "aria-label": t("import.choose"), onchange: () => input.files?.[0] && this.#begin(input.files[0], waiting) });
    const choose = h("button", { type: "button", class: "wc-button wc-primary", onclick: () => input.click() }, t("import.choose"));
    const names = Object.values(this.#products).filter((name) => name !== "webchat");
    this.#draw(
      waiting && h("div", { class: "wc-import-waiting" }, h("p", {}, t("import.waiting", { name: waiting.name, share: share(waiting.received, waiting.size) })), h("button", { type: "button", class: "wc-button", onclick: () => this.#cancel(waiting) }, t("import.discard"))),
      h("div", { class: "wc-import-zone" }, icon("enter"), h("p", { class: "wc-import-lead" }, t("import.drop")), choose, input),
      h("p", { class: "wc-import-quiet" }, t("import.from", { names: names.join(t("app.list_separator")) })),
      h("p", { class: "wc-import-quiet" }, t("import.private")),
    );
  }

  /** @param {File} file @param {Import} [waiting] */
  async #begin(file, waiting) {
    try {
      const same = waiting?.name === file.name && waiting.size === file.size;
      if (waiting && !same) await api.delete(`api/imports/${waiting.id}`);
      const job = waiting && same ? waiting : await api.post("api/imports", { name: file.name || "file", size: file.size });
      this.#progress(job);
      this.#follow(await upload(job, file, (now) => this.#progress(now), this.#leaving.signal));
    } catch (error) {
      this.#failed(error);
    }
  }

  // Until there is something to decide or to read.
  /** @param {Import} job */
  async #follow(job) {
    try {
      while (job.state === "checking" || job.state === "importing") {
        this.#progress(job);
        await pause(ASK_SECONDS, this.#leaving.signal);
        job = await api.get(`api/imports/${job.id}`, {}, { signal: this.#leaving.signal });
      }
      if (job.state === "checked") this.#decide(job);
      else this.#over(job);
    } catch (error) {
      if (!(error instanceof ApiError && error.offline)) return this.#failed(error);
      await pause(3, this.#leaving.signal).then(() => this.#follow(job), () => {});
    }
  }

  /** @param {Import} job */
  #progress(job) {
    const { state, counts } = job;
    const [done, all] = state === "uploading" ? [job.received, job.size] : state === "checking" ? [counts.read ?? 0, counts.size ?? 0] : [job.done, job.entries ?? 0];
    const found = t("import.so_far", { conversations: counts.conversations ?? 0, messages: counts.messages ?? 0 });
    this.#draw(
      h("p", { class: "wc-import-lead", role: "status" }, t(`import.${state}`, { name: job.name })),
      h("progress", { class: "wc-import-bar", "aria-label": t(`import.${state}`, { name: job.name }), max: all || undefined, value: all ? Math.min(done, all) : undefined }),
      h("p", { class: "wc-import-quiet" }, state === "uploading" ? t("import.sent", { share: share(done, all) }) : found),
      h("div", { class: "wc-import-actions" }, h("button", { type: "button", class: "wc-button", onclick: () => this.#cancel(job) }, t("app.cancel"))),
      state === "importing" && h("p", { class: "wc-import-quiet" }, t("import.may_close")),
    );
  }

  /** @param {Import} job */
  #decide(job) {
    const { counts } = job;
    const bad = counts.bad ?? 0;
    const fresh = (counts.new ?? 0) + (counts.unchanged ?? 0);
    /** @param {"skip" | "refuse"} value */
    const choice = (value) => h("label", { class: "wc-import-choice" }, h("input", { type: "radio", name: "wc-import-bad", value, checked: value === "skip" }), h("span", {}, t(`import.bad_${value}`)));
    const choices = bad > 0 && h("fieldset", { class: "wc-import-choices" }, h("legend", {}, t("import.bad", { count: bad })), choice("skip"), choice("refuse"));
    const chosen = () => (this.#body.querySelector("input[value=refuse]:checked") ? "refuse" : "skip");
    const start = h("button", { type: "button", class: "wc-button wc-primary", disabled: fresh === 0, onclick: () => this.#start(job, chosen()) }, t("import.start"));
    this.#draw(
      h("p", { class: "wc-import-lead" }, t(fresh ? "import.found" : "import.found_none", { name: job.name })),
      findings(job, this.#products),
      choices,
      problems(job),
      h("div", { class: "wc-import-actions" }, start, h("button", { type: "button", class: "wc-button", onclick: () => this.#cancel(job) }, t("app.cancel"))),
    );
    start.focus();
  }

  /** @param {Import} job @param {"skip" | "refuse"} on_bad */
  async #start(job, on_bad) {
    try {
      this.#follow(await api.post(`api/imports/${job.id}/start`, { on_bad }));
    } catch (error) {
      this.#failed(error);
    }
  }

  /** @param {Import} job */
  #over(job) {
    const first = job.first_id;
    const show = () => (this.#sheet?.close(), first && this.#show(first));
    const words = job.state === "done" ? t("import.done", { name: job.name }) : job.state === "cancelled" ? t("import.refused") : t("import.failed", { name: job.name });
    if (job.state === "done") tell("changed", "");
    this.#draw(
      h("p", { class: "wc-import-lead", role: "status" }, icon(job.state === "done" ? "check" : "info"), words),
      job.state === "done" && findings(job, this.#products),
      job.failure === "unexpected" && h("p", {}, t("import.unexpected")),
      problems(job),
      h(
        "div",
        { class: "wc-import-actions" },
        first && h("button", { type: "button", class: "wc-button wc-primary", onclick: show }, t("import.open_first")),
        h("button", { type: "button", class: "wc-button", onclick: () => this.#choose() }, t("import.another")),
      ),
    );
  }

  /** @param {Import} job */
  async #cancel(job) {
    const begun = job.state === "importing";
    this.#leaving.abort();
    this.#leaving = new AbortController();
    try {
      await api.delete(`api/imports/${job.id}`);
      if (begun) tell("changed", "");
      this.#choose();
    } catch (error) {
      this.#failed(error);
    }
  }

  /** @param {unknown} error */
  #failed(error) {
    if (error instanceof DOMException && error.name === "AbortError") return;
    this.#draw(h("div", { role: "alert" }, h("p", {}, error instanceof ApiError ? errorLine(error) : String(error))), h("div", { class: "wc-import-actions" }, h("button", { type: "button", class: "wc-button", onclick: () => this.#again() }, t("app.retry"))));
  }

  async #again() {
    this.#sheet?.close();
    await openImport(this.#show);
  }

  /** @param {...Child} children */
  #draw(...children) {
    this.#body.replaceChildren(...h("div", {}, ...children).childNodes);
  }
}

/** @param {number} done @param {number} all */
const share = (done, all) => `${all ? Math.floor((100 * done) / all) : 0} %`;
