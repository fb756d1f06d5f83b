"""Transformer models in this process, through torch and transformers (neither is imported before `start`)."""

from backends.local.backend import LocalBackend

__all__ = ["LocalBackend"]
