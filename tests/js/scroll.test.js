// Keeping the end of a conversation in view, in a scroller whose moves the test makes.

import assert from "node:assert/strict";
import { test } from "node:test";

import "./browser.js";

globalThis.ResizeObserver = class {
  observe() {}
};
const { EndKeeper } = await import("../../webchat/ui/assets/conversation/scroll.js");

test("whether the wheel is heard before it moves anything or after, the reader is away from the end", () => {
  for (const order of [["wheel", "move", "scroll"], ["move", "wheel", "scroll"], ["move", "scroll", "wheel"]]) {
    const heard = {};
    const scroller = { scrollTop: 1000, scrollHeight: 1600, clientHeight: 600, addEventListener: (type, listen) => (heard[type] = listen) };
    const away = [];
    const keeper = new EndKeeper(scroller, { isConnected: true }, (atEnd) => away.push(atEnd ? 0 : keeper.distance));
    heard.scroll(); // the page came to the end
    for (const step of order) {
      if (step === "move") scroller.scrollTop -= 300;
      else heard[step]({ deltaY: -300 });
    }
    assert.equal(away.at(-1), 300, order.join());
    scroller.scrollTop = 1000;
    heard.scroll();
    assert.equal(away.at(-1), 0);
  }
});
