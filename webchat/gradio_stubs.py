"""Gradio without the files it writes for editors.

Whenever it is imported, `gradio.component_meta.create_or_modify_pyi` parses the source of each component and
writes a `.pyi` beside it: about 30 % of the import's CPU (6.31), and two starts at once write the same files.
Nothing that runs reads them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_MODULE = "gradio.component_meta"


def skip_gradio_stubs() -> None:
    """From here on an import of Gradio writes none. Has no effect once it is imported."""
    if _MODULE not in sys.modules:
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds the one module as usual, and replaces its function once the module has run."""

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
