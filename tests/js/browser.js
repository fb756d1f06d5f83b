// What the modules expect of a browser, as far as they can do without a page. Imported before any of them.

class Storage {
  getItem(name) {
    return this[name] ?? null;
  }

  setItem(name, value) {
    this[name] = String(value);
  }

  removeItem(name) {
    delete this[name];
  }
}

const window = new EventTarget();

Object.assign(globalThis, {
  localStorage: new Storage(),
  sessionStorage: new Storage(),
  addEventListener: window.addEventListener.bind(window),
  dispatchEvent: window.dispatchEvent.bind(window),
  BroadcastChannel: undefined, // would keep the process alive
  window: globalThis,
  document: Object.assign(new EventTarget(), { baseURI: "http://page/", hidden: false }),
});

// The server: answers what is asked of it by `answer(path, body)`, which gives [status, JSON] or throws where it is away.
export const server = {
  asked: [],
  answer: () => [404, null],
};

globalThis.fetch = async (address, { method = "GET", body } = {}) => {
  const path = String(address).replace("http://page/", "");
  if (path.startsWith("file:")) return new Response("{}", { status: 404 }); // no table of words
  const sent = body === undefined ? undefined : JSON.parse(body);
  server.asked.push({ method, path, body: sent });
  const [status, answer] = await server.answer(path, sent);
  return new Response(answer === null ? null : JSON.stringify(answer), { status, headers: { "content-type": "application/json" } });
};

// Resolves when `condition` holds: what it waits for takes some turns of the loop.
export async function until(condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}
