"""Chooses the next token: the model's own settings overridden by the request's, sampled from a seed.

All paths use it: the engine calls a `Sampler` for each row, plain `generate` uses it through `Draw`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backends.types import Sampling

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import GenerationConfig

Processor = Callable[..., "Tensor"]

LONGEST_REPLY = 2048
"""Tokens, where neither the request nor the window sets an end."""

TOP_K = 50
"""Of transformers' `generate`, where neither the request nor the model says another."""

_DRAWN = ("temperature", "top_p", "top_k", "min_p")


@dataclass(frozen=True, slots=True)
class Choice:
    """A chosen token. logprob: natural logarithm of its probability according to the model, before
    temperature and truncation; alternatives: the most likely (token, logprob) in descending order. `None` and
    empty unless requested."""

    token: int
    logprob: float | None = None
    alternatives: tuple[tuple[int, float], ...] = ()


class Sampler:
    """Chooses the tokens of one reply.

    config: the model's `GenerationConfig`. alternatives: how many to report with each token's logprob, `None`
    to report no logprobs. The same seed, settings and logits give the same tokens, whatever else is running.
    """

    def __init__(
        self,
        config: GenerationConfig,
        sampling: Sampling,
        seed: int,
        device: torch.device | str,
        *,
        alternatives: int | None = None,
    ) -> None:
        import torch

        given = {name: value for name in _DRAWN if (value := getattr(sampling, name)) is not None}
        self.greedy = given.get("temperature") == 0 or not (given or config.do_sample)
        values = {name: given.get(name, getattr(config, name)) for name in _DRAWN}
        self._processors = _processors(config, sampling)
        self._warpers = [] if self.greedy else _warpers(values)
        top_k = TOP_K if values["top_k"] is None else int(values["top_k"])
        self._top_k = top_k or None
        # A generator of its own: torch's one for the whole process is shared with everybody else.
        self._generator = torch.Generator(device).manual_seed(seed)
        self._alternatives = alternatives

    @property
    def plain(self) -> bool:
        """Whether it always takes the most likely token and reports nothing more."""
        return self.greedy and not self._processors and self._alternatives is None

    def choose(self, ids: Sequence[int], scores: Tensor) -> Choice:
        """ids: all tokens so far. scores: (vocabulary,). Raises `ValueError` for scores that are not
        numbers."""
        import torch

        raw = scores = scores[None].float()
        if self._processors:
            before = torch.tensor([ids], device=scores.device)
            for processor in self._processors:
                scores = processor(before, scores)
        token = int(scores.argmax()) if self.greedy else self._draw(scores)
        if self._alternatives is None:
            return Choice(token)
        told = raw[0].log_softmax(-1)
        best = told.topk(min(self._alternatives, told.shape[0]))
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return Choice(token, float(told[token]), tuple(pairs))

    def _draw(self, scores: Tensor) -> int:
        import torch

        # What top_k drops need not be sorted, warped and summed: on a CPU that is most of the time.
        count = min(self._top_k or scores.shape[-1], scores.shape[-1])
        best = scores.topk(count)
        kept = best.values
        for warper in self._warpers:
            kept = warper(None, kept)
        share = kept.softmax(dim=-1)
        if not bool(torch.isfinite(share).all()):
            raise ValueError("the model's scores are not numbers")
        drawn = torch.multinomial(share, num_samples=1, generator=self._generator)
        return int(best.indices[0, drawn[0, 0]])


class Draw:
    """The last logits processor for plain `generate`: leaves only the token that `sampler` chose, available
    as `choice` until the next one."""

    def __init__(self, sampler: Sampler) -> None:
        self.choice = Choice(0)
        self._sampler = sampler

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """input_ids: (1, tokens so far). scores: (1, vocabulary). Returns scores of that shape."""
        import torch

        self.choice = self._sampler.choose(input_ids[0].tolist(), scores[0])
        drawn = torch.tensor([[self.choice.token]], device=scores.device)
        return torch.full_like(scores, -torch.inf).scatter_(1, drawn, 0.0)


def most_tokens(sampling: Sampling, room: int | None) -> int:
    """Maximum length of a reply. room: tokens left in the context window, `None` if unknown."""
    wanted = [tokens for tokens in (sampling.max_tokens, room) if tokens is not None]
    return min(wanted, default=LONGEST_REPLY)


def plain_config(own: GenerationConfig, limit: int, chunk: int) -> GenerationConfig:
    """Settings for plain `generate` of one reply whose tokens `Draw` chooses.

    chunk: tokens of a prompt read at once.
    """
    from transformers import GenerationConfig

    config: GenerationConfig = GenerationConfig.from_dict(own.to_dict())
    config.max_length = None
    config.max_new_tokens = limit
    config.prefill_chunk_size = chunk
    # One reply, token by token, whatever else the model's publisher found good; `Sampler` chooses.
    config.num_beams = config.num_return_sequences = 1
    config.do_sample = False
    config.repetition_penalty = config.no_repeat_ngram_size = config.bad_words_ids = None
    config.suppress_tokens = None
    for name in _DRAWN:
        setattr(config, name, None)
    if config.pad_token_id is None:
        eos = config.eos_token_id
        config.pad_token_id = eos[0] if isinstance(eos, list) else eos
    return config


def _processors(config: GenerationConfig, sampling: Sampling) -> list[Processor]:
    """Processors that change logits before a token is chosen, as set by the model's publisher or the
    request."""
    import transformers

    made: list[Processor] = []
    penalty = sampling.repetition_penalty
    if penalty is None:
        penalty = config.repetition_penalty
    if penalty not in (None, 1):
        made.append(transformers.RepetitionPenaltyLogitsProcessor(float(penalty)))
    if config.no_repeat_ngram_size:
        made.append(transformers.NoRepeatNGramLogitsProcessor(config.no_repeat_ngram_size))
    if config.bad_words_ids:
        made.append(transformers.NoBadWordsLogitsProcessor(config.bad_words_ids))
    if config.suppress_tokens:
        made.append(transformers.SuppressTokensLogitsProcessor(config.suppress_tokens))
    return made


def _warpers(values: Mapping[str, float | None]) -> list[Processor]:
    """In the order of `generate`; top_k comes before them, which changes nothing but the cost."""
    import transformers

    temperature, top_p, _, min_p = (values[name] for name in _DRAWN)
    made: list[Processor] = []
    if temperature not in (None, 0, 1):
        made.append(transformers.TemperatureLogitsWarper(float(temperature)))
    if top_p is not None and top_p < 1:
        made.append(transformers.TopPLogitsWarper(float(top_p)))
    if min_p is not None:
        made.append(transformers.MinPLogitsWarper(float(min_p)))
    return made
