// A page of `gr.Blocks` beside the chat: Gradio draws it, with the colours and the language of the chat.

import { present } from "./gradio.js";

await present([".gradio-container .tabs, .gradio-container .block"]);
// The server says what is not saved; it is lost with the page. Gradio's own listener ends the page's session, which somebody
// who stays still needs; the server notices by itself where one was left.
addEventListener(
  "beforeunload",
  (event) => {
    if (!document.getElementById("wc-chat-template-unsaved")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  },
  true,
);
document.documentElement.classList.add("wc-ready");
