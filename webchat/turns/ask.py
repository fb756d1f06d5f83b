"""A person's request for a reply: the one value that starts a turn."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Literal, get_args

from backends.types import Message, Options
from webchat.store.records import ConversationSettings, TemplateUse
from webchat.turns.errors import BadAsk, EmptyMessage, MessageTooLong

AskKind = Literal["send", "regenerate", "edit", "continue", "call"]


@dataclass(frozen=True, slots=True)
class Against:
    """The other side of a comparison: its model and settings, as in an `Ask`; `None` for the same ones.
    paired: the server chooses both models instead."""

    model: str | None = None
    settings: ConversationSettings | None = None
    paired: bool = False


@dataclass(frozen=True, slots=True)
class Called:
    """What a program asks for in one request: a reply to the whole conversation it brings along.

    path: messages without images, at least one. options, logprobs: as in `backends.types.Request`. stored:
    whether the conversation is kept; otherwise nothing is left of it once the reply has ended.
    """

    path: tuple[Message, ...]
    options: Options = field(default_factory=Options)
    logprobs: int | None = None
    stored: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for a reply.

    client_key: chosen by the page, 1 to 64 characters; asking twice with the same key begins one turn, also
        when the second ask does not know the conversation that the first one made.
    conversation_id: `None` with `send` makes a new conversation.
    parent_id: for `send`, the message it answers (the leaf on the screen); `None` at the root.
    message_id: for `regenerate` and `continue` the reply, for `edit` the user's message. `regenerate`
        also takes a user's message that has no reply.
    text: the words, for `send` and `edit`.
    model: name in the picker; `None` is the conversation's, else the default.
    settings: what the reply is made with, and the conversation's from now on; stored with the turn, in one
        transaction. `None` leaves them as they are.
    template: what the text was made from, though a person may have changed it since.
    against: what answers beside it, for a comparison.
    called: for `call`, which makes a conversation of its own.
    """

    kind: AskKind
    client_key: str
    conversation_id: str | None = None
    parent_id: str | None = None
    message_id: str | None = None
    text: str | None = None
    model: str | None = None
    settings: ConversationSettings | None = None
    template: TemplateUse | None = None
    against: Against | None = None
    called: Called | None = None

    @property
    def digest(self) -> str:
        """Identifies the request by its text, or by its kind and message if it has none. With the same text,
        settings, model and templates may have changed when it is sent again."""
        asked = json.dumps([self.kind, self.message_id] if self.text is None else [self.text])
        return hashlib.sha256(asked.encode()).hexdigest()

    def check(self, message_chars: int) -> None:
        """Raise `BadAsk` unless the fields fit together and a text has 1 to `message_chars` characters."""
        if self.kind not in get_args(AskKind):
            raise BadAsk(f"There is no request kind {str(self.kind)[:40]!r}.")
        if not 1 <= len(self.client_key) <= 64:
            raise BadAsk("The client key must have 1 to 64 characters.")
        if self.kind == "call" or self.called is not None:
            self._check_call(message_chars)
            return
        if self.kind in ("send", "edit"):
            if not (self.text or "").strip():
                raise EmptyMessage
            if len(self.text or "") > message_chars:
                raise MessageTooLong(len(self.text or ""), message_chars)
        elif self.text is not None:
            raise BadAsk(f"A {self.kind} request takes no text.")
        elif self.template is not None:
            raise BadAsk(f"A {self.kind} request takes no template.")
        if self.kind == "continue" and self.against is not None:
            raise BadAsk("Nothing is compared with the rest of a reply.")
        if self.kind == "send":
            if self.message_id is not None:
                raise BadAsk("A send request takes parent_id, not message_id.")
            if self.conversation_id is None and self.parent_id is not None:
                raise BadAsk("A new conversation has no message to answer.")
        elif self.message_id is None:
            raise BadAsk(f"A {self.kind} request needs message_id.")

    def _check_call(self, message_chars: int) -> None:
        others = (self.conversation_id, self.parent_id, self.message_id, self.text, self.template)
        if self.kind != "call" or self.called is None or self.against or any(others):
            raise BadAsk("A call brings a conversation along, and nothing else does.")
        if not self.called.path:
            raise EmptyMessage
        longest = max(len(message.text) for message in self.called.path)
        if longest > message_chars:
            raise MessageTooLong(longest, message_chars)
