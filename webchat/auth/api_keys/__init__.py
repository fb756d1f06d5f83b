"""API keys: how they are made, checked at the door, and limited."""

from webchat.auth.api_keys.keys import Keys
from webchat.auth.api_keys.making import BadKey, KeyContent, NewKey, new_key, read_key_terms

__all__ = ["BadKey", "KeyContent", "Keys", "NewKey", "new_key", "read_key_terms"]
