"""From a stored conversation to what a model is sent."""

from webchat.prompts.renderer import CONTINUE, PlainRenderer, Rendered, Renderer, Scene, expand

__all__ = ["CONTINUE", "PlainRenderer", "Rendered", "Renderer", "Scene", "expand"]
