"""From a stored conversation to what a model is sent."""

from webchat.prompts.fitting import Fitting
from webchat.prompts.renderer import CONTINUE, PlainRenderer, Rendered, Renderer, Scene, expand

__all__ = ["CONTINUE", "Fitting", "PlainRenderer", "Rendered", "Renderer", "Scene", "expand"]
