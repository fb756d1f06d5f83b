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

/** @param {string[]} ids @param {boolean} archived */
export async function archive(ids, archived) {
  const done = await each(ids, (id) => change(id, { archived }));
  if (!done.length || !archived) return;
  const undo = () => each(done, (id) => change(id, { archived: false }));
  toast(done.length === 1 ? t("sidebar.archived_done") : t("select.archived", { count: done.length }), { action: { label: t("app.undo"), onclick: undo } });
}

// The ids of those that are gone. back: called with those that were taken back.
/** @param {string[]} ids @param {(ids: string[]) => void} back */
export async function remove(ids, back) {
  const gone = await each(ids, async (id) => {
    try {
      await api.delete(`api/conversations/${id}`);
    } catch (error) {
      toast(errorText(error).message, { kind: "error" });
      return false;
    }
    tell("deleted", id);
    return true;
  });
  const undo = async () => back(await each(gone, restore));
  if (gone.length) toast(gone.length === 1 ? t("sidebar.deleted") : t("select.deleted", { count: gone.length }), { action: { label: t("app.undo"), onclick: undo } });
  return gone;
}

// Does it with one after the other, up to the first that fails. The ids of those it is done with.
/** @param {string[]} ids @param {(id: string) => Promise<boolean>} deed */
async function each(ids, deed) {
  const done = [];
  for (const id of ids) {
    if (!(await deed(id))) break;
    done.push(id);
  }
  return done;
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
