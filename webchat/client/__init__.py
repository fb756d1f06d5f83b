"""A typed client of a running server's `/api`.

    from webchat.client import Client

    with Client("http://127.0.0.1:7860", key="wk_…") as chat:
        print(chat.ask("Hello").text)

`AsyncClient` is the same with `await`. Bodies and answers are the models of `webchat.api.wire`; fields that a
later server adds are ignored.
"""

from webchat.client.aio import AsyncClient
from webchat.client.errors import ClientError, InvalidEvent, Refused, Unreachable
from webchat.client.events import Event
from webchat.client.sync import Client

__all__ = ["AsyncClient", "Client", "ClientError", "Event", "InvalidEvent", "Refused", "Unreachable"]
