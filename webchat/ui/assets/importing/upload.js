// A file on its way to the server, piece by piece: what has arrived is never sent again, and a lost connection is waited out.

import { api, ApiError } from "../api.js";

/** @import { Import } from "../types.js" */
/** @typedef {(job: Import) => void} Tell */

const PIECE = 1 << 20;
const SMALLEST = 1 << 10;
const WAITS = [1, 2, 4, 8, 15]; // seconds between tries

// Resolves with the import once all of the file has arrived. Rejects with what the server refuses, or AbortError.
/** @param {Import} job @param {File} file @param {Tell} tell @param {AbortSignal} signal */
export async function upload(job, file, tell, signal) {
  let size = PIECE;
  let tries = 0;
  while (job.state === "uploading") {
    try {
      job = await send(job, file.slice(job.received, job.received + size), signal);
      tries = 0;
      tell(job);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 413 && size > SMALLEST) size /= 2;
      else if (error.offline && tries < WAITS.length) {
        await pause(WAITS[tries], signal);
        tries += 1;
        job = await api.get(`api/imports/${job.id}`, {}, { signal }).catch(() => job);
      } else throw error;
    }
  }
  return job;
}

/** @param {Import} job @param {Blob} piece @param {AbortSignal} signal @returns {Promise<Import>} */
const send = (job, piece, signal) => api.bytes(`api/imports/${job.id}/data`, piece, { params: { at: job.received }, signal });

/** @param {number} seconds @param {AbortSignal} signal */
export function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const over = setTimeout(resolve, 1000 * seconds);
    signal.addEventListener("abort", () => (clearTimeout(over), reject(signal.reason)), { once: true });
  });
}
