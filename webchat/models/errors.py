"""Why a model that was chosen earlier is not the one that answers: nobody else answers in its place.

ModelNotFound
├── NoSuchModel    nothing is called that
├── ModelGone      its server does not offer it any more
├── ServerGone     its server is no longer in the settings
└── ModelUnclear   more than one may be meant by what was stored
"""

from __future__ import annotations

from backends.errors import ModelNotFound

CHOOSE = "Choose another model to continue this chat."


class NoSuchModel(ModelNotFound):
    """No model has this name or id."""


class ModelGone(ModelNotFound):
    """The server is configured but no longer lists the model."""

    code = "model_gone"
    status = 409


class ServerGone(ModelNotFound):
    """No entry in the settings has its server."""

    code = "server_gone"
    status = 409


class ModelUnclear(ModelNotFound):
    """Several models could be meant, on different servers or with different settings."""

    code = "model_unclear"
    status = 409


def no_such_model(name: str) -> NoSuchModel:
    return NoSuchModel(f"There is no model named {name!r}.", cure="Choose another model.")


def model_gone(model: str, server: str) -> ModelGone:
    """server: its name, empty if it has none."""
    params = {"model": model, **({"server": server} if server else {})}
    by = server or "its server"
    return ModelGone(f"{model} is no longer offered by {by}.", cure=CHOOSE, params=params)


def server_gone(model: str) -> ServerGone:
    return ServerGone(
        f"The server that {model} ran on is no longer configured.", cure=CHOOSE, params={"model": model}
    )


def model_unclear(model: str) -> ModelUnclear:
    return ModelUnclear(
        f"It is not clear which {model} this chat was started with.",
        cure="Choose a model to continue this chat.",
        params={"model": model},
    )
