// A page of `gr.Blocks` beside the chat: Gradio draws it, with the colours and the language of the chat.

import { present } from "./gradio.js";

await present([".gradio-container .tabs, .gradio-container .block"]);
// The server says what is not saved; it is lost with the page.
addEventListener("beforeunload", (event) => {
  if (document.getElementById("wc-chat-template-unsaved")) event.preventDefault();
});
document.documentElement.classList.add("wc-ready");
