// The shared worker: one for all tabs of this version of the page.

import { Hub } from "./hub.js";

const hub = new Hub();
addEventListener("connect", (event) => hub.connect(/** @type {MessageEvent} */ (event).ports[0]));
