"""The models people may choose from: loaded on first use, shared by all, unloaded when memory is wanted."""

from webchat.models.configured import configured
from webchat.models.entry import ProgressListener
from webchat.models.models import Models
from webchat.models.specs import Create, GivenTemplate, ListModels, ModelInfo, ModelSpec, create_backend

__all__ = [
    "Create",
    "GivenTemplate",
    "ListModels",
    "ModelInfo",
    "ModelSpec",
    "Models",
    "ProgressListener",
    "configured",
    "create_backend",
]
