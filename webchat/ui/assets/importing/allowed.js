// People with a tester link import nothing.

import { connection } from "../connection.js";

export const importAllowed = () => connection.me.owner?.kind !== "guest";
