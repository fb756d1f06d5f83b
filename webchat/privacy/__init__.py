"""Personal data on its way to a model elsewhere: found, hidden behind placeholders, put back in the reply.

Knows nothing of moderation; its rule about personal data uses `webchat.privacy.finding`, and nothing else of
this room. What puts the two together for a reply is `webchat.turns.masked`.
"""

from webchat.privacy.finding import KINDS, Personal
from webchat.privacy.keeping import Encrypted, Keep, Unkept
from webchat.privacy.masking import Hidden, Masking, masked_once
from webchat.privacy.placeholders import Finder

__all__ = ["KINDS", "Encrypted", "Finder", "Hidden", "Keep", "Masking", "Personal", "Unkept", "masked_once"]
