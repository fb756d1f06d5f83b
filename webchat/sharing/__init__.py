"""Access for others: tester links, the start link, and rate limits against guessing."""

from webchat.sharing.links import BadLifetime, NewLink, hash_of, make_token, new_link, parse_lifetime
from webchat.sharing.redeem import (
    AlreadySomeone,
    LinkError,
    LinkExpired,
    LinkInvalid,
    LinkRevoked,
    LinkStore,
    OperatorLink,
    Redeemer,
    StartLink,
    TooManyPeople,
    TooManyTries,
)

__all__ = [
    "AlreadySomeone",
    "BadLifetime",
    "LinkError",
    "LinkExpired",
    "LinkInvalid",
    "LinkRevoked",
    "LinkStore",
    "NewLink",
    "OperatorLink",
    "Redeemer",
    "StartLink",
    "TooManyPeople",
    "TooManyTries",
    "hash_of",
    "make_token",
    "new_link",
    "parse_lifetime",
]
