"""The models people can choose: loaded on first use, shared by all, unloaded when memory is needed."""

from webchat.models.configured import Shared, configured, made_elsewhere
from webchat.models.entry import ProgressListener
from webchat.models.errors import NoSuchModel
from webchat.models.identity import KnownServers
from webchat.models.models import Models
from webchat.models.specs import Create, GivenTemplate, ListModels, ModelInfo, ModelSpec, create_backend

__all__ = [
    "Create",
    "GivenTemplate",
    "KnownServers",
    "ListModels",
    "ModelInfo",
    "ModelSpec",
    "Models",
    "NoSuchModel",
    "ProgressListener",
    "Shared",
    "configured",
    "create_backend",
    "made_elsewhere",
]
