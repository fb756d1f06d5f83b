// The worker of `bench.js`.

import { LOAD, make } from "./making.js";

const MOST_HTML = 1_000_000; // the page would be held by more

const [code, math] = await Promise.all([LOAD.code(), LOAD.math()]);
const libraries = { code, math };

/** @param {MessageEvent<import("./making.js").Request>} event */
self.onmessage = ({ data: request }) => {
  const made = make(libraries[request.kind], request);
  self.postMessage((made.html?.length ?? 0) > MOST_HTML ? {} : made);
};
self.postMessage("ready");
