// The HTTP API as the page speaks it. Paths are relative to the page, so that a proxy's prefix works.

import { bus } from "./bus.js";

export class ApiError extends Error {
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

export function url(path, params = {}) {
  const address = new URL(path.replace(/^\//, ""), document.baseURI);
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== "") address.searchParams.set(name, value);
  }
  return address.href;
}

const READ_SECONDS = 20; // reading is quick; a connection that died without a word must not hang a page

async function request(method, path, { params, body, signal = method === "GET" ? AbortSignal.timeout(1000 * READ_SECONDS) : undefined } = {}) {
  let response;
  try {
    response = await fetch(url(path, params), {
      method,
      signal,
      credentials: "same-origin",
      cache: "no-store",
      headers: body === undefined ? { accept: "application/json" } : { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    bus.emit("connection", { online: false });
    throw new ApiError({ code: "network", message: "The server cannot be reached." });
  }
  if ([502, 503, 504].includes(response.status) && !isJson(response)) {
    bus.emit("connection", { online: false });
    throw new ApiError({ code: "network", message: "The server cannot be reached.", status: response.status });
  }
  bus.emit("connection", { online: true });
  if (response.ok) return response.status === 204 || !isJson(response) ? null : response.json();
  const error = await errorOf(response);
  if (response.status === 401) bus.emit("out", { error });
  throw error;
}

function isJson(response) {
  return (response.headers.get("content-type") ?? "").includes("json");
}

async function errorOf(response) {
  const { status } = response;
  try {
    const { error } = await response.json();
    return new ApiError({ ...error, status });
  } catch {
    return new ApiError({ code: `http_${status}`, message: `The server answered ${status}.`, status });
  }
}

export const api = {
  url,
  get: (path, params, options = {}) => request("GET", path, { ...options, params }),
  post: (path, body = {}, options = {}) => request("POST", path, { ...options, body }),
  put: (path, body = {}, options = {}) => request("PUT", path, { ...options, body }),
  patch: (path, body = {}, options = {}) => request("PATCH", path, { ...options, body }),
  delete: (path, options = {}) => request("DELETE", path, options),
};
