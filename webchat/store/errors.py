"""Errors the store raises on purpose.

    StoreError
    ├── NotFound           no such thing, or not this owner's: the two are never told apart
    ├── BadCursor          a listing was asked to go on from nowhere
    ├── TemplateChanged    somebody saved another version since this one was read
    ├── PersonExists       the issuer already has a person of this name
    ├── PersonDisabled     somebody an operator has disabled
    ├── LastOperator       nobody would be left who may operate
    ├── TooManyVersions    a message has as many versions as it may
    ├── ComparisonOpen     what is asked for waits for the vote on two replies
    ├── ComparisonRunning  one of its two replies is still being written
    ├── ReviewTaken        somebody else reviews the item since a reservation ended
    ├── ReplayNameTaken    another replay set, or another run of one, has this name
    ├── NothingToReplay    no reply that may be used was chosen
    ├── LinkEnded          the link was revoked, has expired or is paused
    ├── LinkLimit          a limit of the link is reached
    │   ├── LinkFull              people
    │   ├── LinkConversationsUsed
    │   ├── LinkMessagesUsed
    │   ├── LinkTokensUsed
    │   ├── LinkTokensReserved    the rest is reserved for running replies
    │   └── LinkBusy              replies at once
    ├── ConsentNeeded      the link's consent sentence was not accepted yet
    ├── ConsentChanged     another version of it was accepted than the current one
    ├── KeyEnded           the API key was revoked or has expired
    ├── KeyTokensUsed      the models have written as much for it today as they may
    ├── TooManyKeys        one person has as many keys as they may
    ├── TooManyImports     one owner has as many unfinished imports as they may
    ├── ShareTooLong       more than one share can have
    ├── NewerDatabase      a later webchat wrote this database
    ├── DatabaseBusy       another webchat serves this database
    └── StoreUnavailable   cannot be reached, read or written (disk full, file damaged, server down)
        └── LeaseLapsed    others may have taken this process for dead: it writes nothing
            └── LeaseLost  they have: what it was writing is theirs

None of them ever holds a password or stored text.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from backends._plurals import counted, filled
from backends.errors import ExplainedError
from webchat.store.key_records import KeyEnd
from webchat.store.link_records import LinkEnd


class StoreError(ExplainedError):
    """Base of all errors the store raises on purpose."""

    code = "store_error"


class NotFound(StoreError):
    """It does not exist, or belongs to someone else."""

    code = "not_found"
    status = 404

    def __init__(self, what: str) -> None:
        super().__init__(f"This {what} doesn't exist or was deleted.", params={"what": what})


class BadCursor(StoreError):
    """A cursor that no listing returned."""

    code = "bad_request"
    status = 400
    message = "The request is not valid: cursor."
    cure = "Reload the page."

    def __init__(self) -> None:
        super().__init__(params={"field": "cursor"})


class TemplateChanged(StoreError):
    """A change based on a version that is no longer the newest."""

    code = "template_changed"
    status = 409
    message = "The template was changed in the meantime."
    cure = "Open the newest version and make your change there."

    def __init__(self, version: int) -> None:
        super().__init__(params={"version": version})


class PersonExists(StoreError):
    """Another person has this name with the same issuer."""

    code = "person_exists"
    status = 409
    cure = "Choose another name."

    def __init__(self, subject: str) -> None:
        super().__init__(f'The user name "{subject}" is already taken.', params={"name": subject})


class PersonDisabled(StoreError):
    """A person who may not sign in at present."""

    code = "person_disabled"
    status = 403
    message = "This account is disabled."
    cure = "Contact the administrator."


class LastOperator(StoreError):
    """A change that would leave no operator who can sign in."""

    code = "last_operator"
    status = 409
    message = "This is the only operator who can sign in."
    cure = "Make somebody else an operator first."


class TooManyVersions(StoreError):
    """A message or reply has reached the maximum number of siblings."""

    code = "too_many_versions"
    status = 409
    cure = "Continue from one of them, or start a new chat."

    def __init__(self, limit: int) -> None:
        super().__init__(f"A message can have {limit} versions at most.", params={"limit": limit})


class ComparisonOpen(StoreError):
    """Something was to be built on a side of a comparison whose person has not voted yet."""

    code = "comparison_open"
    status = 409
    message = "These two replies are still being compared."
    cure = "Vote, or choose one to continue with."


class ComparisonRunning(StoreError):
    """A vote on replies that are still being written."""

    code = "comparison_running"
    status = 409
    message = "One of the two replies is still being written."
    cure = "Wait until both have finished, or stop them."


class ReviewTaken(StoreError):
    """A review that came after its reservation, when somebody else had the place."""

    code = "review_taken"
    status = 409
    message = "Your reservation of this item expired, and somebody else is reviewing it."
    cure = "Nothing was stored. Continue with the next item."


class ReplayNameTaken(StoreError):
    """A name of a replay set, or of a run in one, is somebody else's."""

    code = "replay_name_taken"
    status = 409
    cure = "Choose another name."

    def __init__(self, name: str) -> None:
        super().__init__(f'The name "{name}" is taken.', params={"name": name})


class NothingToReplay(StoreError):
    """A choice of replies found none that may be used."""

    code = "nothing_to_replay"
    status = 409
    message = "No matching reply may be replayed."
    cure = (
        "Change the filters. Testers' replies need a consent sentence that covers training; members' replies"
        " need their permission and a judgement by them."
    )


class LinkEnded(StoreError):
    """The link admits nobody at present. code: one of `LinkEnd`."""

    def __init__(self, end: LinkEnd) -> None:
        super().__init__(*_ENDS[end])
        self.code = end
        self.status = 403 if end == "link_paused" else 410


_ENDS: Mapping[LinkEnd, tuple[str, str]] = {
    "link_revoked": ("This link was revoked.", "Ask for a new one."),
    "link_expired": ("This link has expired.", "Ask for a new one."),
    "link_paused": ("This link is paused.", "Try again later, or ask the person who gave it to you."),
}


class LinkLimit(StoreError):
    """A limit of the link is reached; nothing was stored."""

    status = 403
    cure = "Your message is saved. Ask the person who gave you the link for more."

    def __init__(self, limit: int) -> None:
        super().__init__(filled(self.message, {"limit": limit}), params={"limit": limit})


class LinkFull(LinkLimit):
    code = "link_full"
    message = "This link allows {limit} {limit:person|people} and is full."
    cure = "Ask the person who gave it to you for another one."


class LinkConversationsUsed(LinkLimit):
    code = "link_conversations"
    message = "All chats of this link have been used (limit: {limit})."
    cure = "Your message is saved. Continue in an earlier chat, or ask the person who gave you the link."


class LinkMessagesUsed(LinkLimit):
    code = "link_messages"
    message = "All messages of this link have been used (limit: {limit})."


class LinkTokensUsed(LinkLimit):
    code = "link_tokens"
    message = "This link allows {limit} {limit:token|tokens}, and none are left."


class LinkTokensReserved(LinkLimit):
    code = "link_tokens_reserved"
    status = 429
    message = (
        "The last of this link's {limit} {limit:token is|tokens are} reserved for replies being written."
    )
    cure = "Your message is saved. Send it again when they have finished."


class YourConversationsUsed(LinkLimit):
    code = "link_conversations_each"
    message = "You have used all your chats with this link (limit per person: {limit})."
    cure = "Your message is saved. Continue in an earlier chat, or ask the person who gave you the link."


class YourMessagesUsed(LinkLimit):
    code = "link_messages_each"
    message = "You have used all your messages with this link (limit per person: {limit})."


class YourTokensUsed(LinkLimit):
    code = "link_tokens_each"
    message = "This link allows {limit} {limit:token|tokens} per person, and you have used all of yours."


class YourTokensReserved(LinkLimit):
    code = "link_tokens_each_reserved"
    status = 429
    message = "The last of your {limit} {limit:token is|tokens are} reserved for replies being written."
    cure = "Your message is saved. Send it again when they have finished."


class LinkBusy(LinkLimit):
    code = "link_busy"
    status = 429
    message = (
        "Your link already has {limit} {limit:reply|replies} running or waiting, the most one link can have."
    )
    cure = "Your message is saved. Send it again in a moment."


class ConsentNeeded(StoreError):
    """The current consent sentence has to be accepted first."""

    code = "consent_needed"
    status = 403
    message = "Accept the conditions of this link first."
    cure = "Your message is saved. Reload the page to read them."


class ConsentChanged(StoreError):
    """The consent sentence is not the one that was read."""

    code = "consent_changed"
    status = 409
    message = "The conditions of this link have changed."
    cure = "Reload the page to read them."


class KeyEnded(StoreError):
    """The API key opens nothing any more. code: one of `KeyEnd`."""

    def __init__(self, end: KeyEnd) -> None:
        super().__init__(*_KEY_ENDS[end])
        self.code = self.end = end


_KEY_ENDS: Mapping[KeyEnd, tuple[str, str]] = {
    "key_revoked": ("This API key was revoked.", "Create a new one."),
    "key_expired": ("This API key has expired.", "Create a new one."),
}


class KeyTokensUsed(StoreError):
    """The models have written as many tokens for the API key today as they may. seconds: until the next
    day."""

    code = "key_tokens"
    status = 429
    cure = "Nothing was stored. Send it again after midnight UTC, or use another key."

    def __init__(self, limit: int, seconds: float) -> None:
        super().__init__(
            f"This API key allows {counted(limit, 'token')} a day, and none are left.",
            params={"limit": limit, "retry_after": ceil(seconds)},
        )


class TooManyKeys(StoreError):
    """Somebody has as many API keys as one person can have."""

    code = "too_many_keys"
    status = 409
    cure = "Revoke keys that are no longer needed."

    def __init__(self, limit: int) -> None:
        super().__init__(f"One person can have {limit} API keys at most.", params={"limit": limit})


class TooManyWebhooks(StoreError):
    """There are as many webhooks as a server can have."""

    code = "too_many_webhooks"
    status = 409
    cure = "Remove webhooks that are no longer needed."

    def __init__(self, limit: int) -> None:
        super().__init__(f"A server can have {limit} webhooks at most.", params={"limit": limit})


class TooManyImports(StoreError):
    """Somebody has as many unfinished imports as one owner can have."""

    code = "imports_unfinished"
    status = 409
    message = "You have unfinished imports."
    cure = "Finish or cancel one of them first."


class ShareTooLong(StoreError):
    """A conversation has more messages or text than one share can have."""

    code = "share_too_long"
    status = 413
    cure = "Start a new chat from its last messages, and share that one."

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"This chat is too long to share: at most {limit} messages and 5 million characters.",
            params={"limit": limit},
        )


class TooManyShares(StoreError):
    """Somebody has as many shares as one owner can have, or as much in them."""

    code = "too_many_shares"
    status = 409
    cure = "End links that are no longer needed. Ended links count until they are deleted for good."

    def __init__(self, limit: int, megabytes: int) -> None:
        super().__init__(
            f"One person can have {limit} links to shared chats at most, {megabytes} MB in all.",
            params={"limit": limit, "megabytes": megabytes},
        )


class NewerDatabase(StoreError):
    """The database was written by a newer version of webchat."""

    code = "newer_database"


class DatabaseBusy(StoreError):
    """Another webchat server uses this database."""

    code = "database_busy"


class StoreUnavailable(StoreError):
    """The database cannot be reached, read or written."""

    code = "store_unavailable"
    status = 503


class LeaseLapsed(StoreUnavailable):
    """This process did not renew its lease in time, among several that serve one database."""

    message = "This server was cut off from its database for a while."
    cure = "Try again in a moment."


class LeaseLost(LeaseLapsed):
    """Another one has ended the lease: what this process was writing was interrupted."""
