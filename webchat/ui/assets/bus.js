// One event target for the whole page. See on() for the events' details.

const target = new EventTarget();

export const bus = {
  emit(name, detail = {}) {
    target.dispatchEvent(new CustomEvent(name, { detail }));
  },

  // open {id|null, messageId?} · conversation {conversation} · leaf {conversationId, leafId, running}
  // shown {} (the transcript draws other messages, or a reply has ended)
  // news {type, conversation_id, message_id?, state?} (told by the server) · notice {on} (a reply ended in a hidden tab)
  // me {me} · model {name} · models {models, default} · connection {online} · out {error} · suggest {text} · settings {settings}
  on(name, handler) {
    const listener = (event) => handler(event.detail);
    target.addEventListener(name, listener);
    return () => target.removeEventListener(name, listener);
  },

  addEventListener: target.addEventListener.bind(target),
  removeEventListener: target.removeEventListener.bind(target),
  dispatchEvent: target.dispatchEvent.bind(target),
};
