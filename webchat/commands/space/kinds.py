"""The kinds of Space: what each installs and where it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from webchat.commands.terminal import CommandError
from webchat.settings.model import ModelSettings

DEFAULT_MODEL = "Qwen/Qwen3-1.7B"
"""Of a GPU kind whose settings name no model: small, open, no licence to accept."""


@dataclass(frozen=True, slots=True)
class Kind:
    """about: for the README and the help. extras: of this project. hardware: the Space's, unless another is
    asked for. python: its version. instead: versions that replace the tested ones. runs: kinds of model it
    can run. startup: how long the host waits for it."""

    name: str
    about: str
    extras: tuple[str, ...]
    hardware: str
    runs: frozenset[str]
    python: str = "3.12"
    startup: str = ""
    instead: Mapping[str, str] = field(default_factory=dict)

    @property
    def local(self) -> bool:
        """Whether it runs transformers models."""
        return "local" in self.runs


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "endpoint", "an endpoint elsewhere, on a CPU", ("postgres",), "cpu-basic", frozenset({"openai"})
        ),
        Kind(
            "embedded",
            "the embedded model or a GGUF file, on the CPU; also endpoints",
            ("llamacpp", "postgres"),
            "cpu-basic",
            frozenset({"llamacpp", "openai"}),
        ),
        Kind(
            "gpu",
            "a transformers model of the Hub, on a GPU of its own; also endpoints",
            ("local", "postgres"),
            "t4-small",
            frozenset({"local", "openai"}),
            startup="1h",
        ),
        Kind(
            "zerogpu",
            "a transformers model of the Hub, on a GPU that each reply borrows",
            ("local", "postgres"),
            "zero-a10g",
            frozenset({"local"}),
            python="3.12.12",
            startup="1h",
            # The host refuses other versions of torch (Hugging Face, "Spaces ZeroGPU").
            instead={"torch": "2.11.0"},
        ),
    )
}


def kind_for(models: Sequence[ModelSettings], asked: str | None) -> Kind:
    """The kind that was asked for, or the one that these models need. Raises `CommandError` if it cannot run
    them."""
    needed = {spec.kind for spec in models}
    if asked is None:
        asked = "gpu" if "local" in needed else "embedded" if needed != {"openai"} else "endpoint"
    if asked not in KINDS:
        raise CommandError(f"There is no kind of Space {asked}; the kinds are {', '.join(KINDS)}.")
    kind = KINDS[asked]
    for spec in models:
        if spec.kind not in kind.runs:
            able = [other.name for other in KINDS.values() if spec.kind in other.runs]
            cure = f"Use --kind {' or '.join(able)}." if able else "A Space runs models and endpoints only."
            raise CommandError(f"A Space of kind {kind.name} can't run {spec.name} ({spec.kind}). {cure}")
    if kind.name == "zerogpu" and len(models) > 1:
        raise CommandError("A Space on ZeroGPU runs one model. Leave the others out, or use --kind gpu.")
    return kind
