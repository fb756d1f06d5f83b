"""How the next token is chosen: the model's own settings with the request's on top, drawn from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backends.local.loading import Loaded
from backends.types import Sampling

PREFILL_CHUNK = {"cpu": 64}
LONGEST_PREFILL_CHUNK = 512
"""Tokens of a prompt between two looks at the stop flag, by family of device: well under half a second."""

LONGEST_REPLY = 2048
"""Tokens, where neither the request nor the window sets an end."""

TOP_K = 50
"""Of `generate`, where neither the request nor the model says another."""

_DRAWN = ("temperature", "top_p", "top_k", "min_p")


class Draw:
    """A processor of scores for `generate`, the last one: draws a token and leaves no other.

    `generate` itself draws from torch's one generator for the whole process, where two models at work would
    spoil each other's seeds. So it is told to take the likeliest token, which is the drawn one.
    """

    def __init__(self, warpers: Sequence[Any], seed: int, device: Any) -> None:
        import torch

        self._warpers = warpers
        self._generator = torch.Generator(device).manual_seed(seed)

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """input_ids: (1, tokens so far). scores: (1, vocabulary), float32. Returns scores of that shape."""
        import torch

        for warper in self._warpers:
            scores = warper(input_ids, scores)
        drawn = torch.multinomial(scores.softmax(dim=-1), num_samples=1, generator=self._generator)
        return torch.full_like(scores, -torch.inf).scatter_(1, drawn, 0.0)


def settings_of(loaded: Loaded, sampling: Sampling, room: int | None, seed: int) -> dict[str, Any]:
    """The arguments of `generate` that say how long the reply may be and how its tokens are chosen.

    room: tokens left in the window, `None` when that is not known.
    """
    from transformers import GenerationConfig

    config: Any = GenerationConfig.from_dict(loaded.model.generation_config.to_dict())
    wanted = [tokens for tokens in (sampling.max_tokens, room) if tokens is not None]
    config.max_length = None
    config.max_new_tokens = min(wanted, default=LONGEST_REPLY)
    config.prefill_chunk_size = PREFILL_CHUNK.get(loaded.placement.family, LONGEST_PREFILL_CHUNK)
    # One reply, token by token, whatever else the model's publisher found good.
    config.num_beams = config.num_return_sequences = 1
    if config.pad_token_id is None:
        eos = config.eos_token_id
        config.pad_token_id = eos[0] if isinstance(eos, list) else eos
    if sampling.repetition_penalty is not None:
        config.repetition_penalty = sampling.repetition_penalty
    given = {name: value for name in _DRAWN if (value := getattr(sampling, name)) is not None}
    drawn = given.get("temperature") != 0 and (given or config.do_sample)
    warpers = _warpers({name: given.get(name, getattr(config, name)) for name in _DRAWN}) if drawn else []
    config.do_sample = False
    for name in _DRAWN:
        setattr(config, name, None)
    processors = [Draw(warpers, seed, loaded.model.device)] if drawn else []
    return {"generation_config": config, "logits_processor": processors}


def _warpers(values: dict[str, Any]) -> list[Any]:
    """In the order of `generate`."""
    import transformers

    temperature, top_p, top_k, min_p = (values[name] for name in _DRAWN)
    made: list[Any] = []
    if temperature not in (None, 0, 1):
        made.append(transformers.TemperatureLogitsWarper(float(temperature)))
    if top_k != 0:
        made.append(transformers.TopKLogitsWarper(TOP_K if top_k is None else int(top_k)))
    if top_p is not None and top_p < 1:
        made.append(transformers.TopPLogitsWarper(float(top_p)))
    if min_p is not None:
        made.append(transformers.MinPLogitsWarper(float(min_p)))
    return made
