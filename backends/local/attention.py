"""Attention over the engine's memory: every row of a step at once, each over its own keys and values.

A step packs the new tokens of all rows into one sequence, (1, tokens): one for a row that decodes, a piece of
the prompt for one that is read in. Weights are read once for all of them, and nothing is padded. Only
attention needs to know which token is whose; this is it, registered under `NAME` as transformers' interface
for attention functions provides. Without a `Step` it is transformers' own sdpa, so plain `generate` works on
the same model.

Source of the idea: Orca (Yu et al., OSDI 2022), selective batching.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor

NAME = "webchat_packed"

_KNOWN_LAYERS = frozenset({"full_attention", "sliding_attention"})
# What some models add to attention, and this has not.
_UNKNOWN_TERMS = ("softcap", "s_aux", "position_bias")


class NotPackable(Exception):
    """The model's attention has a feature that is not supported here."""


@dataclass(frozen=True, slots=True)
class Part:
    """The contribution of one row to a step. ids: its new tokens. known: how many tokens are in memory
    before them. start: position of its first token there. last: whether the logits after its last token
    are needed."""

    ids: Sequence[int]
    known: int
    start: int
    last: bool = True


@dataclass(frozen=True, slots=True)
class _Piece:
    """New tokens of one row, from `begin` up to `end` of the packed sequence; including them it has `length`
    tokens from position `start` on."""

    begin: int
    end: int
    start: int
    length: int


def run(model: Any, memory: Memory, parts: Sequence[Part], *, padded: bool = False) -> Tensor:
    """One forward pass of a packed model. Returns the logits (parts that need them, vocabulary) in order.

    padded: process the rows with one token in one call, which pays off where launching a call costs more than
    reading padding: on a GPU.
    """
    import torch

    device = model.device
    ids: list[int] = []
    positions: list[int] = []
    places: list[int] = []
    last: list[int] = []
    pieces: list[_Piece] = []
    for part in parts:
        begin, behind = len(ids), part.known + len(part.ids)
        ids += part.ids
        positions += range(part.known, behind)
        places += range(part.start + part.known, part.start + behind)
        pieces.append(_Piece(begin, len(ids), part.start, behind))
        if part.last:
            last.append(len(ids) - 1)
    with torch.inference_mode():
        told = model(
            input_ids=torch.tensor([ids], device=device),
            position_ids=torch.tensor([positions], device=device),
            # Of four dimensions, so that no mask is made for it; the step knows what is seen.
            attention_mask=torch.ones(1, 1, 1, 1, dtype=torch.bool, device=device),
            use_cache=False,
            logits_to_keep=torch.tensor(last, dtype=torch.long, device=device),
            step=Step(memory, pieces, torch.tensor(places, device=device), padded=padded),
        )
    logits: Tensor = told.logits[0]
    return logits


class Memory:
    """The KV cache of all layers: two tensors per layer (key-value heads, tokens, head size).

    Allocated empty: on a CPU, the system commits memory only where it is written.
    """

    def __init__(self, config: Any, tokens: int, dtype: torch.dtype, device: torch.device | str) -> None:
        import torch

        text = config.get_text_config()
        self.tokens = tokens
        self._shapes = [(heads, tokens, size) for heads, size in _heads(text)]
        self.keys = [torch.empty(shape, dtype=dtype, device=device) for shape in self._shapes]
        self.values = [torch.empty(shape, dtype=dtype, device=device) for shape in self._shapes]

    @property
    def nbytes(self) -> int:
        """Bytes of all layers, whether or not the system has committed them yet."""
        return sum(tensor.nbytes for tensor in (*self.keys, *self.values))

    @staticmethod
    def bytes_per_token(config: Any, item_bytes: int) -> int:
        """Bytes per token of one conversation."""
        return sum(2 * heads * size * item_bytes for heads, size in _heads(config.get_text_config()))

    def copy(self, source: int, target: int, count: int) -> None:
        """Copy `count` tokens from position `source` to position `target`; the two may overlap."""
        for tensor in (*self.keys, *self.values):
            piece = tensor[:, source : source + count]
            overlap = abs(source - target) < count
            tensor[:, target : target + count] = piece.clone() if overlap else piece


class Step:
    """Where the tokens of one step belong. places: (tokens,), the position in memory of each new token."""

    def __init__(self, memory: Memory, pieces: Sequence[_Piece], places: Tensor, *, padded: bool) -> None:
        self.memory = memory
        self._places = places
        decoding = [piece for piece in pieces if piece.end - piece.begin == 1]
        self._together = _Together(decoding, places.device) if padded and len(decoding) > 1 else None
        self._single = [piece for piece in pieces if self._together is None or piece not in decoding]

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, layer: int, scale: float | None, window: int | None
    ) -> Tensor:
        """query: (1, heads, tokens, head size); key and value alike with their heads. Returns
        (1, tokens, heads, head size)."""
        import torch

        keys, values = self.memory.keys[layer], self.memory.values[layer]
        keys.index_copy_(1, self._places, key[0])
        values.index_copy_(1, self._places, value[0])
        out = torch.empty(
            (query.shape[2], query.shape[1], query.shape[3]), dtype=query.dtype, device=query.device
        )
        for piece in self._single:
            _attend_piece(out, query, keys, values, piece, scale, window)
        if self._together is not None:
            self._together.attend(out, query, keys, values, scale, window)
        return out.unsqueeze(0)


class _Together:
    """Decoding rows processed in one call: their keys are gathered side by side and padded."""

    def __init__(self, pieces: Sequence[_Piece], device: torch.device) -> None:
        import torch

        starts = torch.tensor([piece.start for piece in pieces], device=device)
        lengths = torch.tensor([piece.length for piece in pieces], device=device)
        steps = torch.arange(max(piece.length for piece in pieces), device=device)
        self._rows = torch.tensor([piece.begin for piece in pieces], device=device)
        self._lengths = lengths[:, None]
        self._steps = steps[None, :]
        self._known = steps[None, :] < self._lengths
        # Behind a row's own end any place will do: it is masked.
        self._index = starts[:, None] + torch.minimum(self._steps, self._lengths - 1)

    def attend(
        self,
        out: Tensor,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        scale: float | None,
        window: int | None,
    ) -> None:
        from torch.nn.functional import scaled_dot_product_attention

        count, groups = self._rows.shape[0], query.shape[1] // keys.shape[0]
        rows = query[0].index_select(1, self._rows).transpose(0, 1)  # (rows, heads, head size)
        # The queries that share a key head are its "sequence": nothing needs to be repeated.
        packed = rows.reshape(count, keys.shape[0], groups, -1)
        mask = self._known
        if window is not None:
            mask = mask & (self._steps >= self._lengths - window)
        told = scaled_dot_product_attention(
            packed,
            keys[:, self._index].transpose(0, 1),
            values[:, self._index].transpose(0, 1),
            attn_mask=mask[:, None, None, :],
            scale=scale,
        )
        out.index_copy_(0, self._rows, told.reshape(count, query.shape[1], -1))


def _attend_piece(
    out: Tensor,
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    piece: _Piece,
    scale: float | None,
    window: int | None,
) -> None:
    from torch.nn.functional import scaled_dot_product_attention

    count = piece.end - piece.begin
    # The oldest key that any of these tokens may still see.
    first = 0 if window is None else max(0, piece.length - count + 1 - window)
    seen = slice(piece.start + first, piece.start + piece.length)
    mine, its = keys[None, :, seen], values[None, :, seen]
    groups = query.shape[1] // keys.shape[0]
    if count == 1:
        packed = query[0, :, piece.begin].view(1, keys.shape[0], groups, -1)
        told = scaled_dot_product_attention(packed, mine, its, scale=scale)
        out[piece.begin] = told.reshape(query.shape[1], -1)
        return
    if groups > 1:
        mine, its = mine.repeat_interleave(groups, 1), its.repeat_interleave(groups, 1)
    mask = _mask(count, piece.length - first, window, query.device)
    told = scaled_dot_product_attention(
        query[:, :, piece.begin : piece.end], mine, its, attn_mask=mask, is_causal=mask is None, scale=scale
    )
    out[piece.begin : piece.end] = told[0].transpose(0, 1)


def _mask(count: int, length: int, window: int | None, device: torch.device) -> Tensor | None:
    """(count, length): which keys each of the last `count` tokens sees; `None` if plain causal masking
    suffices."""
    import torch

    if length == count and (window is None or count <= window):
        return None
    seen = torch.ones(count, length, dtype=torch.bool, device=device).tril(length - count)
    return seen if window is None else seen.triu(length - count - window + 1)


def _packed_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    step = options.pop("step", None)
    if step is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        told: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **options
        )
        return told
    if any(options.get(term) is not None for term in _UNKNOWN_TERMS):
        raise NotPackable
    return step.attend(query, key, value, module.layer_idx, scaling, options.get("sliding_window")), None


def pack(model: Any) -> None:
    """Make a model use this attention. Raises `NotPackable` if its kind is not supported."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    text = model.config.get_text_config()
    if unknown := set(getattr(text, "layer_types", None) or ()) - _KNOWN_LAYERS:
        raise NotPackable(f"it has layers of the kind {sorted(unknown)[0]}")
    AttentionInterface.register(NAME, _packed_attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    model.set_attn_implementation(NAME)


def _heads(text: Any) -> list[tuple[int, int]]:
    """(key-value heads, head size) of each layer."""
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return [(int(heads), int(size))] * int(text.num_hidden_layers)
