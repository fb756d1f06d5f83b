// The shared worker: one for all tabs of this version of the page.

import { Hub } from "./hub.js";

const hub = new Hub();
self.onconnect = ({ ports: [port] }) => hub.connect(port);
