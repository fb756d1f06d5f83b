"""Access control: the door every request passes, the signed cookie and the owner it identifies, passwords."""

from webchat.auth.answers import error_answer, unknown_error_answer
from webchat.auth.cookies import Cookies, load_or_make_secret
from webchat.auth.door import Door
from webchat.auth.identities import Identities
from webchat.auth.incoming import MOST_ADDRESS, SMALL_BODY
from webchat.auth.owners import Owners, OwnerStore
from webchat.auth.passwords.checking import Passwords
from webchat.auth.roles import Need, Role, permits, role_of
from webchat.auth.settings import DoorSettings, Ways
from webchat.auth.sign_in import Sessions
from webchat.auth.sign_in_errors import SignInFailed

__all__ = [
    "MOST_ADDRESS",
    "SMALL_BODY",
    "Cookies",
    "Door",
    "DoorSettings",
    "Identities",
    "Need",
    "OwnerStore",
    "Owners",
    "Passwords",
    "Role",
    "Sessions",
    "SignInFailed",
    "Ways",
    "error_answer",
    "load_or_make_secret",
    "permits",
    "role_of",
    "unknown_error_answer",
]
