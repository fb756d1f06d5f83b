"""LoRA adapters beside each other on one model: any number share its weights, and each row of a batch uses
its own.

peft reads an adapter and says which layers it belongs to and how strong it is; from then on a layer
computes what it computed before, bit for bit, and adds an adapter's part only to the tokens of the rows
that use it (`using`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.errors import ModelUnsupported
from backends.local.sources import ADAPTER_WEIGHTS, check_adapter

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
    """hash: the first 12 hex digits of the SHA-256 of its weights. base: the model it names as its own.
    template: its own chat template, where it brings one."""

    name: str
    hash: str
    base: str
    rank: int
    template: str | None = None


def load_adapter(model: Any, folder: Path, name: str) -> AdapterInfo:
    """Add the adapter in `folder` to `model`, to be used under `name`. No pass through the model may run.

    Raises `ModelNotFound` or `ModelUnsupported`, leaving the model and its other adapters as they were. One
    that has the name already is replaced.
    """
    config = check_adapter(folder)
    _check_kind(config, folder)
    tensors = _tensors(folder)
    base = str(config["base_model_name_or_path"])
    _check_shapes(model, tensors, folder, base)
    remove_adapter(model, name)
    adapters: _Adapters = getattr(model, _ATTRIBUTE, None) or _Adapters(model)
    try:
        rank = adapters.add(folder, name, tensors)
    except Exception as error:
        adapters.remove(name)
        raise ModelUnsupported(
            f"peft cannot load the adapter in {folder} ({type(error).__name__}).",
            cure="Check that it was made for this model and with a version of peft that is installed here.",
            params={"folder": str(folder)},
        ) from error
    digest = hashlib.sha256((folder / ADAPTER_WEIGHTS).read_bytes()).hexdigest()[:12]
    return AdapterInfo(name, digest, base, rank, _template(folder))


def remove_adapter(model: Any, name: str) -> None:
    """Forget an adapter and free its weights; nothing happens where there is none of that name."""
    adapters: _Adapters | None = getattr(model, _ATTRIBUTE, None)
    if adapters is not None:
        adapters.remove(name)


@contextmanager
def using(model: Any, rows: Sequence[tuple[str | None, slice]]) -> Iterator[None]:
    """Let each row of a packed sequence, (1, tokens), use its adapter in the passes made inside.

    rows: name of an adapter, or `None` for the model as it is, and the row's tokens; `slice(None)` for all of
    whatever shape. Tokens in no row use none. Raises `KeyError` for a name that is not loaded.
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


class _Adapters:
    """The adapters of one model. shares: who adds to which tokens now, as slots and indices."""

    def __init__(self, model: Any) -> None:
        self.shares: Sequence[tuple[str, Any]] = ()
        self._model = model
        self._tuner: Any = None
        self._slots: dict[str, str] = {}
        self._made = 0
        setattr(model, _ATTRIBUTE, self)

    def add(self, folder: Path, name: str, tensors: Mapping[str, Any]) -> int:
        """Returns the rank. Raises whatever peft does."""
        import peft

        config: Any = peft.LoraConfig.from_pretrained(str(folder))
        config.inference_mode = True
        config.init_lora_weights = False  # what the file holds is filled in below
        # Names may hold what the names of modules may not.
        self._made += 1
        slot = self._slots[name] = f"a{self._made}"
        try:
            if self._tuner is None:
                self._tuner = peft.LoraModel(self._model, config, slot)
            else:
                self._tuner.peft_config[slot] = config
                self._tuner.active_adapter = slot
                self._tuner.inject_adapter(self._model, slot)
        finally:
            for _, layer in self._layers():
                layer.forward = _Adding(layer, self)
        self._model.requires_grad_(False)
        layers = [(path, layer) for path, layer in self._layers() if slot in layer.lora_A]
        unused = {name.partition(".lora_")[0] for name in tensors} - {path for path, _ in layers}
        if unused or any(layer.lora_variant.get(slot) is not None for _, layer in layers):
            raise ValueError("the settings do not name the layers of the weights, or another kind of LoRA")
        for path, layer in layers:
            _fill(layer, slot, path, tensors)
        return int(config.r)

    def remove(self, name: str) -> None:
        slot = self._slots.pop(name, None)
        if slot is None:
            return
        for _, layer in self._layers():
            layer.set_adapter([], inference_mode=True)  # or peft warns that it deletes an active one
            if slot in layer.lora_A:
                layer.delete_adapter(slot)
        if self._tuner is not None:
            self._tuner.peft_config.pop(slot, None)

    def shared(self, rows: Sequence[tuple[str, slice]]) -> list[tuple[str, Any]]:
        """The tokens of each adapter: one slice, or an index where they do not lie side by side."""
        import torch

        parts: dict[str, list[slice]] = {}
        for name, part in rows:
            known = parts.setdefault(self._slots[name], [])
            if known and known[-1].stop is not None and known[-1].stop == part.start:
                known[-1] = slice(known[-1].start, part.stop)
            else:
                known.append(part)
        device = self._model.device
        return [
            (slot, own[0])
            if len(own) == 1
            else (slot, torch.cat([torch.arange(part.start, part.stop, device=device) for part in own]))
            for slot, own in parts.items()
        ]

    def _layers(self) -> list[tuple[str, Any]]:
        from peft.tuners.lora import LoraLayer

        return [
            (path, module) for path, module in self._model.named_modules() if isinstance(module, LoraLayer)
        ]


class _Adding:
    """The forward of a layer with adapters: the layer's own, and what each adapter adds to its rows."""

    def __init__(self, layer: Any, adapters: _Adapters) -> None:
        self._base = layer.base_layer
        self._a, self._b, self._scaling = layer.lora_A, layer.lora_B, layer.scaling
        self._adapters = adapters

    def __call__(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        out = self._base(x, *args, **kwargs)
        for slot, tokens in self._adapters.shares:
            if slot not in self._a:
                continue
            everything = tokens == slice(None) if isinstance(tokens, slice) else False
            at = ... if everything else (..., tokens, slice(None))
            down = self._a[slot]
            added = self._b[slot](down(x[at].to(down.weight.dtype))) * self._scaling[slot]
            # In place: for an index, `out[at] += added` reads, adds and writes only these rows.
            out[at] += added.to(out.dtype)
        return out


def _fill(layer: Any, slot: str, path: str, tensors: Mapping[str, Any]) -> None:
    down, up = layer.lora_A[slot], layer.lora_B[slot]
    down.weight.data.copy_(tensors[path + _A])
    up.weight.data.copy_(tensors[path + _B])
    if up.bias is not None:
        up.bias.data.copy_(tensors[path + _BIAS])


def _tensors(folder: Path) -> dict[str, Any]:
    """The weights of an adapter by their names in the model."""
    from peft import load_peft_weights

    loaded: dict[str, Any] = load_peft_weights(str(folder), device="cpu")
    return {name.removeprefix(_PREFIX): tensor for name, tensor in loaded.items()}


def _check_kind(config: Mapping[str, Any], folder: Path) -> None:
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
        f"The adapter in {folder} is more than a plain LoRA ({what}) and cannot share a model with others.",
        cure="Merge it into its model (merge_and_unload, then save_pretrained) and load that folder.",
        params={"folder": str(folder), "what": what},
    )


def _check_shapes(model: Any, tensors: Mapping[str, Any], folder: Path, base: str) -> None:
    """Refuse an adapter that does not fit this model, before anything is changed."""
    modules = {path.replace(".base_layer", ""): module for path, module in model.named_modules()}
    output = model.get_output_embeddings()
    for name, tensor in tensors.items():
        path, _, kind = name.partition(".lora_")
        module = _base_of(modules.get(path))
        if not name.endswith((_A, _B, _BIAS)) or (module is not None and module is output):
            # The output layer sees the last tokens only, an embedding no tokens that are vectors.
            raise _merge_it(folder, name)
        size = next((getattr(module, side) for side in _SIDES[kind] if hasattr(module, side)), None)
        found = tensor.shape[1] if kind == "A.weight" else tensor.shape[0]
        if size != found:
            here = "there is none here" if module is None else f"here it has {size}"
            raise ModelUnsupported(
                f"The adapter in {folder} was made for another model ({base}): its"
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


def _base_of(module: Any) -> Any:
    return getattr(module, "base_layer", module)


def _template(folder: Path) -> str | None:
    try:
        return (folder / "chat_template.jinja").read_text(encoding="utf-8")
    except (OSError, ValueError):
        pass
    try:
        told = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")).get("chat_template")
    except (OSError, ValueError, AttributeError):
        return None
    return told if isinstance(told, str) else None
