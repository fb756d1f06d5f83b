"""What every test stands on: an environment of its own, and the demo model."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.demo import demo_model

CACHE = Path(__file__).parent.parent / ".cache"

# pip may need the settings of the person who runs the tests to reach the package index.
_REAL_HOME = os.environ.get("HOME")

_OURS = ("WEBCHAT_", "OPENAI_", "GRADIO_", "HF_", "TRANSFORMERS_", "XDG_")
_OURS_WHOLE = {"DATABASE_URL", "SPACE_ID", "HUGGING_FACE_HUB_TOKEN"}


@pytest.fixture(scope="session", autouse=True)
def isolated_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees or touches the settings, folders and tokens of the person who runs it."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(_OURS) or name in _OURS_WHOLE:
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        for kind in ("CACHE", "CONFIG", "DATA", "STATE"):
            patch.setenv(f"XDG_{kind}_HOME", str(home / kind.lower()))
        patch.setenv("HF_HOME", str(home / "huggingface"))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        patch.setenv("GOMP_SPINCOUNT", "10000")  # as the engine sets it, for tests that load torch before it
        yield


@pytest.fixture(scope="session")
def demo_gguf(isolated_environment: None) -> Path:
    """The demo model's file; made once, then kept in the repository's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        if _REAL_HOME is not None:
            patch.setenv("HOME", _REAL_HOME)
        return demo_model(CACHE / "models")


@pytest.fixture(scope="session")
def demo_folder(demo_gguf: Path) -> Path:
    """The demo model as transformers keeps models; made once from its file, beside it."""
    folder = demo_gguf.with_suffix("")
    if not folder.is_dir():
        transformers = pytest.importorskip("transformers")
        place = {"pretrained_model_name_or_path": demo_gguf.parent, "gguf_file": demo_gguf.name}
        dense = transformers.GgufConfig(dequantize=True)
        model = transformers.AutoModelForCausalLM.from_pretrained(**place, quantization_config=dense)
        tokenizer = transformers.AutoTokenizer.from_pretrained(**place)
        made = Path(tempfile.mkdtemp(dir=demo_gguf.parent))
        model.save_pretrained(made)
        tokenizer.save_pretrained(made)
        try:
            made.rename(folder)
        except OSError:  # another worker was first
            shutil.rmtree(made)
    return folder
