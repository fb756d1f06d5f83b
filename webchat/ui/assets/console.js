// A page of `gr.Blocks` beside the chat: Gradio draws it, with the colours and the language of the chat.

import { onConnectionLost, present } from "./gradio.js";

await present([".gradio-container .tabs, .gradio-container .block"]);
const { language, lost } = window.webchatConfig;
onConnectionLost(lost[language].server);
// The server says what is not saved.
window.webchatConfig.unsaved = () => document.getElementById("wc-chat-template-unsaved") !== null;
document.documentElement.classList.add("wc-ready");
