// A page of `gr.Blocks` beside the chat: Gradio draws it, with the colours and the language of the chat.

import { present } from "./gradio.js";

await present([".gradio-container .tabs, .gradio-container .block"]);
document.documentElement.classList.add("wc-ready");
