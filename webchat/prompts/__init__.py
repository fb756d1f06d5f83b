"""From a stored conversation to the request for a model."""

from webchat.prompts.fitting import MOST_CUTS, Fitting
from webchat.prompts.renderer import CONTINUE, PlainRenderer, Rendered, Renderer, Scene, fit

__all__ = [
    "CONTINUE",
    "MOST_CUTS",
    "Fitting",
    "PlainRenderer",
    "Rendered",
    "Renderer",
    "Scene",
    "fit",
]
