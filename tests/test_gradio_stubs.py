"""Gradio is imported without the files it writes for editors, and is the same otherwise."""

from __future__ import annotations

import subprocess
import sys

IMPORTED = """
from webchat.gradio_stubs import skip_gradio_stubs
{skip}
import gradio
from gradio.component_meta import create_or_modify_pyi
try:
    create_or_modify_pyi(gradio.Textbox, "NoSuchClass", [])
except ValueError:
    print("reads sources")
print(all(hasattr(gradio.Textbox, name) for name in ("change", "submit", "blur")))
"""


def imported(skip: str) -> list[str]:
    code = IMPORTED.format(skip=skip)
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.splitlines()


def test_no_source_is_read_for_them_and_events_are_there() -> None:
    assert imported("skip_gradio_stubs()") == ["True"]
    assert imported("") == ["reads sources", "True"]  # or there is nothing left to skip


def test_it_changes_nothing_once_gradio_is_imported() -> None:
    assert imported("import gradio; skip_gradio_stubs()") == ["reads sources", "True"]
