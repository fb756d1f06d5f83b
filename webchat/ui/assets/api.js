// The HTTP API as the page speaks it. Paths are relative to the page, so that a proxy's prefix works.

import { bus } from "./bus.js";

/** @import { Answer, Body, Failure } from "./types.js" */
/** @typedef {{ params?: Record<string, unknown>, body?: unknown, signal?: AbortSignal, seconds?: number }} Options seconds: until it counts as not answered */

export class ApiError extends Error {
  /** @param {Failure} failure */
  constructor({ code, message, cure = "", params = {}, audience = "everyone", status = 0 }) {
    super(message);
    this.name = "ApiError";
    this.code = code;
    this.cure = cure;
    this.params = params;
    this.audience = audience;
    this.status = status;
  }

  // The server was not reached, or something between here and there answered in its place.
  get offline() {
    return this.code === "network";
  }
}

/** @param {string} path @param {Record<string, any>} [params] */
export function url(path, params = {}) {
  const address = new URL(path.replace(/^\//, ""), document.baseURI);
  for (const [name, value] of Object.entries(params)) {
    for (const one of [value].flat()) if (one !== undefined && one !== null && one !== "") address.searchParams.append(name, one);
  }
  return address.href;
}

// A connection that died without a word must not hang a page. Reading is quick; writing may try a template, say.
const READ_SECONDS = 20;
const WRITE_SECONDS = 60;

// Rejects with ApiError, or with AbortError when the caller's `signal` says so.
/** @param {string} method @param {string} path @param {Options} options @returns {Promise<any>} */
async function request(method, path, { params, body, signal, seconds = method === "GET" ? READ_SECONDS : WRITE_SECONDS } = {}) {
  let response;
  let answer;
  const deadline = AbortSignal.timeout(1000 * seconds);
  try {
    response = await fetch(url(path, params), {
      method,
      signal: signal && AbortSignal.any ? AbortSignal.any([signal, deadline]) : (signal ?? deadline),
      credentials: "same-origin",
      cache: "no-store",
      headers: body === undefined ? { accept: "application/json" } : { "content-type": body instanceof Blob ? "application/octet-stream" : "application/json" },
      body: body === undefined || body instanceof Blob ? body : JSON.stringify(body, wellFormed),
    });
    answer = response.status === 204 ? null : await response.text();
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    bus.emit("connection", { online: false });
    throw new ApiError({ code: "network", message: "The server cannot be reached." });
  }
  if ([502, 503, 504].includes(response.status) && !isJson(response)) {
    bus.emit("connection", { online: false });
    throw new ApiError({ code: "network", message: "The server cannot be reached.", status: response.status });
  }
  bus.emit("connection", { online: true });
  if (response.ok) return answer === null || !isJson(response) ? null : JSON.parse(answer);
  const error = errorOf(response, answer ?? "");
  if (response.status === 401) bus.emit("out", { error });
  throw error;
}

// Half a character, from a cut emoji, is in no text that a server takes.
/** @param {string} _name @param {unknown} value */
const wellFormed = (_name, value) => (typeof value === "string" ? value.replace(/\p{Surrogate}/gu, "\ufffd") : value);

/** @param {Response} response */
function isJson(response) {
  return (response.headers.get("content-type") ?? "").includes("json");
}

/** @param {Response} response @param {string} answer */
function errorOf({ status }, answer) {
  try {
    const { error } = JSON.parse(answer);
    return new ApiError({ ...error, status });
  } catch {
    return new ApiError({ code: `http_${status}`, message: `The server answered ${status}.`, status });
  }
}

export const api = {
  url,
  /** @template {string} P @param {P} path @param {Record<string, unknown>} [params] @param {Options} [options] @returns {Promise<Answer<"GET", P>>} */
  get: (path, params, options = {}) => request("GET", path, { ...options, params }),
  /** @template {string} P @param {P} path @param {Body<"POST", P>} [body] @param {Options} [options] @returns {Promise<Answer<"POST", P>>} */
  post: (path, body = /** @type {any} */ ({}), options = {}) => request("POST", path, { ...options, body }),
  /** @template {string} P @param {P} path @param {Body<"PUT", P>} [body] @param {Options} [options] @returns {Promise<Answer<"PUT", P>>} */
  put: (path, body = /** @type {any} */ ({}), options = {}) => request("PUT", path, { ...options, body }),
  /** @template {string} P @param {P} path @param {Body<"PATCH", P>} [body] @param {Options} [options] @returns {Promise<Answer<"PATCH", P>>} */
  patch: (path, body = /** @type {any} */ ({}), options = {}) => request("PATCH", path, { ...options, body }),
  // A piece of a file.
  /** @template {string} P @param {P} path @param {Blob} piece @param {Options} options @returns {Promise<Answer<"PUT", P>>} */
  bytes: (path, piece, options) => request("PUT", path, { ...options, body: piece }),
  /** @template {string} P @param {P} path @param {Options} [options] @returns {Promise<Answer<"DELETE", P>>} */
  delete: (path, options = {}) => request("DELETE", path, options),
};
