"""The transformer engine: causal language models on torch and transformers, which only this package
imports."""

from backends.local.backend import LocalBackend
from backends.local.engines import Engines

__all__ = ["Engines", "LocalBackend"]
