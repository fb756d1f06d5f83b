// Saves what a person says of a reply as they say it: one request at a time, the newest words last.

/** @import { Judgement, JudgementBody } from "../types.js" */

export class Saving {
  #send;
  #told;
  /** @type {JudgementBody} */
  #wanted = {};
  #busy = false;
  #all = Promise.resolve();

  /** told: how it stands, and after a failure why. */
  /** @param {(body: JudgementBody) => Promise<Judgement>} send @param {(state: "saving" | "saved" | "failed", error?: any) => void} told */
  constructor(send, told) {
    this.#send = send;
    this.#told = told;
  }

  /** Resolves when all that was wanted is saved, or one of it was refused. */
  settled() {
    return this.#all;
  }

  /** @param {JudgementBody} change @returns {Promise<void>} as `settled` */
  save(change) {
    this.#wanted = { ...this.#wanted, ...change };
    if (!this.#busy) this.#all = this.#sendAll();
    return this.#all;
  }

  async #sendAll() {
    this.#busy = true;
    this.#told("saving");
    try {
      while (Object.keys(this.#wanted).length) {
        const body = this.#wanted;
        this.#wanted = {};
        try {
          await this.#send(body);
        } catch (error) {
          this.#wanted = { ...body, ...this.#wanted }; // goes along with what is said next
          this.#told("failed", error);
          return;
        }
      }
      this.#told("saved");
    } finally {
      this.#busy = false;
    }
  }
}
