"""Personal data in requests to remote models: detected, replaced by placeholders, restored in the reply.

Independent of moderation, whose rule for personal data uses `webchat.privacy.finding` and nothing else of
this package. `webchat.turns.gates.masked` combines the two for a reply.
"""

from webchat.privacy.finding import KINDS, Personal
from webchat.privacy.keeping import Encrypted, Keep, Unkept
from webchat.privacy.masking import Hidden, Masking, mask_texts, masked_once
from webchat.privacy.placeholders import Finder

__all__ = [
    "KINDS",
    "Encrypted",
    "Finder",
    "Hidden",
    "Keep",
    "Masking",
    "Personal",
    "Unkept",
    "mask_texts",
    "masked_once",
]
