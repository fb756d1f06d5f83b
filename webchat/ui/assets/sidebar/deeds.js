// What one does with a conversation of the list, and how it is taken back.

import { api } from "../api.js";
import { bus } from "../bus.js";
import { channel } from "../channel.js";
import { errorText, t } from "../i18n.js";
import { toast } from "../toast.js";

/** @import { Conversation } from "../types.js" */

const tabs = channel("webchat");

// What another tab did.
/** @param {() => void} handler */
export function onElsewhere(handler) {
  if (tabs) tabs.onmessage = handler;
}

// True when it is done.
/** @param {string} id @param {{ title?: string, pinned?: boolean, archived?: boolean }} changes */
export function change(id, changes) {
  return changed(id, api.patch(`api/conversations/${id}`, changes));
}

/** @param {string} id @param {Promise<Conversation>} asked */
async function changed(id, asked) {
  try {
    bus.emit("conversation", { conversation: await asked });
    tell("changed", id);
    return true;
  } catch (error) {
    toast(errorText(error).message, { kind: "error" });
    return false;
  }
}

/** @param {string} id @param {boolean} archived */
export async function archive(id, archived) {
  if (!(await change(id, { archived })) || !archived) return;
  toast(t("sidebar.archived_done"), { action: { label: t("app.undo"), onclick: () => change(id, { archived: false }) } });
}

// True when it is done. back: called once it is taken back.
/** @param {string} id @param {() => void} back */
export async function remove(id, back) {
  try {
    await api.delete(`api/conversations/${id}`);
  } catch (error) {
    toast(errorText(error).message, { kind: "error" });
    return false;
  }
  tell("deleted", id);
  toast(t("sidebar.deleted"), { action: { label: t("app.undo"), onclick: async () => (await restore(id)) && back() } });
  return true;
}

// True when it is done.
/** @param {string} id */
export function restore(id) {
  return changed(id, api.post(`api/conversations/${id}/restore`));
}

/** @param {"changed" | "deleted"} type @param {string} conversationId */
export function tell(type, conversationId) {
  tabs?.postMessage({ type, conversationId });
}
