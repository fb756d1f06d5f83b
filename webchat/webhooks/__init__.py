"""Telling other programs what happens, as operators asked for it: signed, retried, and never into a private
network unless that is allowed.

`addresses` says what may be reached, `sending` makes one attempt, `delivering` goes on until everything is
told, `making` checks what an operator asks for.
"""

from webchat.webhooks.addresses import AddressRefused
from webchat.webhooks.delivering import Deliverer
from webchat.webhooks.making import BadWebhook, new_webhook
from webchat.webhooks.sending import NotDelivered, Sender, problem_text

__all__ = [
    "AddressRefused",
    "BadWebhook",
    "Deliverer",
    "NotDelivered",
    "Sender",
    "new_webhook",
    "problem_text",
]
