"""Imports Gradio without the stub files it writes for editors.

On import, `gradio.component_meta.create_or_modify_pyi` parses the source of each component and writes a
`.pyi` file beside it: about 30 % of the import's CPU time (6.31), and two processes starting at once write
the same files. Nothing needs them at run time.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_MODULE = "gradio.component_meta"


def skip_gradio_stubs() -> None:
    """Stop a later import of Gradio from writing stubs. Has no effect once Gradio is imported."""
    if _MODULE not in sys.modules:
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds that one module as usual and replaces its function once the module is loaded."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def run_without(module: ModuleType) -> None:
            run(module)
            vars(module)["create_or_modify_pyi"] = lambda *_: None

        spec.loader.exec_module = run_without  # type: ignore[method-assign]
        return spec
