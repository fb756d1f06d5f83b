"""Several LoRA adapters on one model: any number share its weights, and each row of a batch uses its own.

A layer's own output stays bit-identical; an adapter's contribution is added only to the tokens of the rows
that use it (`using`). peft reads the files, but its layers are not used: they apply adapters to whole batches
rather than to tokens of a packed sequence, and they would unpack each layer (`weights`) to inspect it.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from backends.errors import ModelUnsupported
from backends.local.loading.sources import ADAPTER_WEIGHTS, check_adapter, read_settings, read_text

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

T = TypeVar("T")

_ATTRIBUTE = "webchat_adapters"
_PREFIX = "base_model.model."
_A, _B, _BIAS = ".lora_A.weight", ".lora_B.weight", ".lora_B.bias"
# What an adapter may be that is more than a part added to the output of a layer.
_MORE = (
    "use_dora",
    "modules_to_save",
    "trainable_token_indices",
    "target_parameters",
    "layer_replication",
    "alora_invocation_tokens",
    "use_qalora",
    "arrow_config",
)
_CHANGES_THE_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga", "mica")


@dataclass(frozen=True, slots=True)
class AdapterInfo:
    """hash: the first 12 hex digits of the SHA-256 of its weights. base: the base model it names. template:
    its own chat template, if it has one."""

    name: str
    hash: str
    base: str
    rank: int
    template: str | None = None


def load_adapter(model: PreTrainedModel, folder: Path, name: str) -> AdapterInfo:
    """Add the adapter in `folder` to `model` under `name`. No forward pass may be running.

    Raises `ModelNotFound` or `ModelUnsupported`, leaving the model and its other adapters unchanged. An
    adapter with the same name is replaced.
    """
    config = check_adapter(folder)
    _check_kind(config, folder)
    tensors = _tensors(folder)
    base = str(config["base_model_name_or_path"])
    _check_shapes(model, tensors, folder, base)
    scalings = _scalings(folder, tensors)
    adapters: _Adapters = getattr(model, _ATTRIBUTE, None) or _Adapters(model)
    adapters.add(name, tensors, scalings)
    digest = hashlib.sha256((folder / ADAPTER_WEIGHTS).read_bytes()).hexdigest()[:12]
    return AdapterInfo(name, digest, base, int(config.get("r") or 0), template_in(folder))


def remove_adapter(model: PreTrainedModel, name: str) -> None:
    """Remove an adapter and free its weights; does nothing if there is none of that name."""
    adapters: _Adapters | None = getattr(model, _ATTRIBUTE, None)
    if adapters is not None:
        adapters.remove(name)


@contextmanager
def using(model: PreTrainedModel, rows: Sequence[tuple[str | None, slice]]) -> Iterator[None]:
    """Let each row of a packed sequence, (1, tokens), use its adapter in forward passes inside the block.

    rows: name of an adapter, or `None` for the base model, and the row's tokens; `slice(None)` for all, of
    any shape. Tokens in no row use none. Raises `KeyError` for a name that is not loaded.
    """
    adapters: _Adapters | None = getattr(model, _ATTRIBUTE, None)
    wanted = [(name, part) for name, part in rows if name is not None]
    if adapters is None or not wanted:
        for name, _ in wanted:
            raise KeyError(name)
        yield
        return
    before = adapters.shares
    adapters.shares = adapters.shared(wanted)
    try:
        yield
    finally:
        adapters.shares = before


@dataclass(frozen=True, slots=True)
class _Part:
    """The contribution of one adapter to one layer: `up(down(x)) * scaling`. bias: of `up`."""

    down: Tensor
    up: Tensor
    bias: Tensor | None
    scaling: float


class _Adapters:
    """The adapters of one model. shares: which adapter currently applies to which tokens, as names and
    indices."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.shares: Sequence[tuple[str, slice | Tensor]] = ()
        self._model = model
        self._layers: dict[str, _Adding] = {}
        self._names: set[str] = set()
        setattr(model, _ATTRIBUTE, self)

    def add(self, name: str, tensors: Mapping[str, Tensor], scalings: Mapping[str, float]) -> None:
        modules = dict(self._model.named_modules())
        self.remove(name)
        self._names.add(name)
        for path, scaling in scalings.items():
            if path not in self._layers:
                module = modules[path]
                self._layers[path] = module.forward = _Adding(module.forward, self)
            down, up = (self._placed(tensors[path + kind]) for kind in (_A, _B))
            bias = self._placed(tensors[path + _BIAS]) if path + _BIAS in tensors else None
            self._layers[path].parts[name] = _Part(down, up, bias, scaling)

    def remove(self, name: str) -> None:
        self._names.discard(name)
        for layer in self._layers.values():
            layer.parts.pop(name, None)

    def shared(self, rows: Sequence[tuple[str, slice]]) -> list[tuple[str, slice | Tensor]]:
        """The tokens of each adapter: one slice, or an index if they are not contiguous."""
        import torch

        places: dict[str, list[slice]] = {}
        for name, place in rows:
            if name not in self._names:
                raise KeyError(name)
            known = places.setdefault(name, [])
            if known and known[-1].stop is not None and known[-1].stop == place.start:
                known[-1] = slice(known[-1].start, place.stop)
            else:
                known.append(place)
        device = self._model.device
        return [
            (name, own[0])
            if len(own) == 1
            else (name, torch.cat([torch.arange(place.start, place.stop, device=device) for place in own]))
            for name, own in places.items()
        ]

    def _placed(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._model.device, self._model.dtype)


class _Adding:
    """The forward method of a layer with adapters: the layer's own output plus each adapter's contribution to
    its rows."""

    def __init__(self, base: Callable[..., Tensor], adapters: _Adapters) -> None:
        self.parts: dict[str, _Part] = {}
        self._base = base
        self._adapters = adapters

    def __call__(self, x: Tensor, *args: object, **kwargs: object) -> Tensor:
        from torch.nn.functional import linear

        out = self._base(x, *args, **kwargs)
        for name, tokens in self._adapters.shares:
            part = self.parts.get(name)
            if part is None:
                continue
            everything = isinstance(tokens, slice) and tokens == slice(None)
            at = ... if everything else (..., tokens, slice(None))
            added = linear(linear(x[at].to(part.down.dtype), part.down), part.up, part.bias)
            # In place: for an index, this reads, adds and writes only these rows.
            out[at] += (added * part.scaling).to(out.dtype)
        return out


def _tensors(folder: Path) -> dict[str, Tensor]:
    """The weights of an adapter by their names in the model."""
    from peft import load_peft_weights

    loaded: dict[str, Tensor] = load_peft_weights(str(folder), device="cpu")
    return {name.removeprefix(_PREFIX): tensor for name, tensor in loaded.items()}


def _scalings(folder: Path, tensors: Mapping[str, Tensor]) -> dict[str, float]:
    """The scaling of the adapter for each layer, by path. Raises `ModelUnsupported`."""
    import peft

    try:
        config: Any = peft.LoraConfig.from_pretrained(str(folder))
        kinds = [field.name for field in fields(config) if field.metadata.get("is_lora_variant")]
    except (TypeError, ValueError, AttributeError) as error:
        raise _unreadable(folder) from error
    if more := [name for name in kinds if getattr(config, name)]:
        raise _merge_it(folder, ", ".join(more))
    found: dict[str, float] = {}
    for path in {name.partition(".lora_")[0]: None for name in tensors}:
        if not {path + _A, path + _B} <= tensors.keys():
            raise _unreadable(folder)
        rank = _for_layer(config.rank_pattern, path, config.r)
        alpha = _for_layer(config.alpha_pattern, path, config.lora_alpha)
        if {tensors[path + _A].shape[0], tensors[path + _B].shape[1]} != {rank}:
            raise _unreadable(folder)
        found[path] = alpha / (math.sqrt(rank) if config.use_rslora else rank)
    return found


def _for_layer(patterns: Mapping[str, T], path: str, otherwise: T) -> T:
    """The value that a pattern in the settings gives a layer; the first match counts, as in peft."""
    return next((value for key, value in patterns.items() if re.match(rf"(.*\.)?({key})$", path)), otherwise)


def _unreadable(folder: Path) -> ModelUnsupported:
    return ModelUnsupported(
        f"The weights of the adapter in {folder} do not fit its own settings (adapter_config.json).",
        cure="Copy all files of the adapter again, from the same training run.",
        params={"folder": str(folder)},
    )


def _check_kind(config: Mapping[str, object], folder: Path) -> None:
    more = [name for name in _MORE if config.get(name)]
    started = config.get("init_lora_weights")
    if config.get("peft_type") != "LORA":
        more = [str(config.get("peft_type") or "no peft_type")]
    elif isinstance(started, str) and started.startswith(_CHANGES_THE_BASE):
        more = [f"init_lora_weights={started}"]
    elif config.get("bias", "none") != "none":
        more = [f"bias={config['bias']}"]
    if more:
        raise _merge_it(folder, ", ".join(more))


def _merge_it(folder: Path, what: str) -> ModelUnsupported:
    return ModelUnsupported(
        f"The adapter in {folder} is not a plain LoRA ({what}) and cannot share a model with other adapters.",
        cure="Merge it into its model (merge_and_unload, then save_pretrained) and load that folder.",
        params={"folder": str(folder), "what": what},
    )


def _check_shapes(model: Any, tensors: Mapping[str, Tensor], folder: Path, base: str) -> None:
    """Reject an adapter that does not fit this model, before anything is changed."""
    modules = dict(model.named_modules())
    output = model.get_output_embeddings()
    for name, tensor in tensors.items():
        path, _, kind = name.partition(".lora_")
        module = modules.get(path)
        if not name.endswith((_A, _B, _BIAS)) or (module is not None and module is output):
            # The output layer sees the last tokens only, an embedding no tokens that are vectors.
            raise _merge_it(folder, name)
        size = next((getattr(module, side) for side in _SIDES[kind] if hasattr(module, side)), None)
        found = tensor.shape[1] if kind == "A.weight" else tensor.shape[0]
        if size != found:
            here = "there is none here" if module is None else f"here it has {size}"
            raise ModelUnsupported(
                f"The adapter in {folder} was trained for another model ({base}): its"
                f" {path} has {found} values, and {here}.",
                cure=f"Load it with {base}, or train it again for this model.",
                params={"folder": str(folder), "base": base, "layer": path},
            )


# The second names are those of GPT-2's layers.
_SIDES = {
    "A.weight": ("in_features", "nx"),
    "B.weight": ("out_features", "nf"),
    "B.bias": ("out_features", "nf"),
}


def template_in(folder: Path) -> str | None:
    """The chat template in a folder; `None` if there is none that can be read."""
    try:
        if (text := read_text(folder / "chat_template.jinja")) is not None:
            return text
        told = read_settings(folder / "tokenizer_config.json").get("chat_template")
    except ModelUnsupported:
        return None
    return told if isinstance(told, str) else None
