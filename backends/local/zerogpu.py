"""A model on ZeroGPU: each reply borrows a GPU for as long as it was estimated to take.

    model = ZeroGPUBackend(LocalOptions("owner/name"), port=7860)  # at import, in the main thread

`spaces` must be imported before torch and before this is made. From its wheel, 0.51: what is decorated with
`spaces.GPU` runs in a process forked for it. Its arguments and what it yields are pickled, so they are plain
data; the model is reached through the fork. The scheduler is told how long it will take and ends it after
that, so a reply ends itself shortly before, as at its limit, and can be continued. Closing the generator
stops the model after its next token. While a reply waits for a GPU, `spaces` looks now and then whether the
event of Gradio that asked is still alive; here the event is the reply.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, replace
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

from backends.base import Footprint, ProgressCallback
from backends.errors import (
    BackendError,
    BadRequest,
    EngineFailed,
    ModelUnsupported,
    OutOfMemory,
    RateLimited,
    Unavailable,
)
from backends.local.backend import LocalBackend
from backends.local.engine import failure
from backends.local.engines import Shared, Taken
from backends.local.loading.chat_format import Template
from backends.local.loading.devices import Placement
from backends.local.loading.model import Loaded, load, resolve
from backends.local.plain import write
from backends.local.preparing import Opened
from backends.local.rows import Row
from backends.local.sampling import Choice, Sampler
from backends.local.variants import variant_of
from backends.options import LocalOptions
from backends.types import Request, Sampling

VISITOR: ContextVar[str] = ContextVar("visitor", default="")
"""What the host told about the visitor whose request is handled, its header `X-IP-Token`: the scheduler
counts the GPU time of a reply for them. Without it, for the Space."""
TOKEN_HEADER = "x-ip-token"

START_SECONDS = 10
"""For moving the model to the GPU."""
TOKENS_PER_SECOND = 20
"""Less than plain `generate` writes with models of a few billion parameters."""
PROMPT_TOKENS_PER_SECOND = 2000
SHORTEST, LONGEST = 30, 120
"""Seconds asked of the scheduler; visitors without an account have two minutes a day."""
SPARE_SECONDS = 2
"""Before the scheduler would end a reply, it ends itself."""
CHUNK = 512
"""Tokens of a prompt read at once."""


@dataclass(frozen=True, slots=True)
class Job:
    """One reply, as it crosses the border between the processes."""

    ids: list[int]
    limit: int
    sampling: Sampling
    seed: int
    alternatives: int | None

    @property
    def seconds(self) -> int:
        """How long it may take, to be asked of the scheduler."""
        reading = len(self.ids) / PROMPT_TOKENS_PER_SECOND
        asked = START_SECONDS + reading + self.limit / TOKENS_PER_SECOND + SPARE_SECONDS
        return round(min(max(asked, SHORTEST), LONGEST))


Token = tuple[int, float | None, tuple[tuple[int, float], ...]]
"""A `Choice` in plain data."""


class ZeroGPUBackend(LocalBackend):
    """See the module. Loads the model at once; blocks. Writes one reply at a time and reads no images.

    Raises `BackendError`.
    """

    kind = "zerogpu"

    def __init__(self, options: LocalOptions, *, port: int) -> None:
        """port: the server's, whose connections the other process must not keep open."""
        import spaces

        super().__init__(options)
        self._port = port
        options = resolve(options)
        if options.adapter is not None:
            raise ModelUnsupported(
                "A LoRA adapter can't be used on ZeroGPU.", cure="Merge it into its base model first."
            )
        loaded = _loaded(options.shared())
        opened = Opened(loaded, threading.Lock(), 1, CHUNK, 0, None)
        given = options.chat_template and Template(options.chat_template, options.template_source)
        variant = variant_of(loaded, given=given or None, adapter=None)
        self._held = Taken(Shared(options.shared(), opened, users=1), variant, None)
        self._ready = replace(
            self.capabilities,
            system_role=variant.system_role,
            speaks_first=variant.speaks_first,
            context_length=loaded.context_length,
            slots=1,
            engine=f"zerogpu {id(self)}",
        )

        def tokens(job: Job) -> Iterator[Token]:
            yield from written(opened, job)

        self._tokens = spaces.GPU(tokens, duration=lambda job: job.seconds)

    async def start(self, progress: ProgressCallback | None = None) -> None:
        self._closed = False
        self._taken, self.capabilities = self._held, self._ready

    def footprint(self) -> Footprint | None:
        """None: the host keeps the weights on disk while no reply is being written."""
        return None

    async def aclose(self) -> None:
        self._closed = True
        for line in (lines := list(self._lines)):
            line.cancel()
        for line in lines:
            await line.wait()
        self._taken = None

    def _sampler(self, taken: Taken, request: Request, seed: int) -> Any:
        """What makes the sampler in the other process: the GPU's random numbers are only there."""
        return Job([], 0, request.sampling, seed, request.logprobs)

    def _start_writing(self, taken: Taken, row: Row, extra: Mapping[str, Any]) -> None:
        # The thread has the context of the request, and so the visitor.
        context = copy_context()
        args = (self._write, taken, row, extra)
        threading.Thread(target=context.run, args=args, name="zerogpu", daemon=True).start()

    def _write(self, taken: Taken, row: Row, extra: Mapping[str, Any]) -> None:
        error: BackendError | None = None
        job: Any = row.sampler
        job = replace(job, ids=row.ids, limit=row.limit)
        _ask_as(VISITOR.get(), row, self._port)
        row.admitted = time.monotonic()
        try:
            self._read(job, row)
        except Exception as wrong:
            if not row.speaker.cancelled:
                error = _explained(wrong) or failure(wrong, self.model)
        row.speaker.finish(row, error)

    def _read(self, job: Job, row: Row) -> None:
        stream: Generator[Token, None, None] = self._tokens(job)
        with closing(stream):
            for token in stream:
                row.first = row.first or time.monotonic()
                if row.speaker.cancelled or row.speaker.token(Choice(*token)):
                    return
        row.speaker.cut()  # its time is over


def _loaded(options: LocalOptions) -> Loaded:
    """The model on the GPU that `spaces` pretends there is. It does so in this thread alone, and transformers
    reads weights with several: so they are read on the CPU, then moved."""
    dtype = options.dtype or "bfloat16"
    read = load(replace(options, device="cpu", dtype=dtype, quantization="none"), lambda _: None)
    read.model.to("cuda")
    return replace(read, placement=Placement("cuda", dtype, "ZeroGPU"), processor=None)


def written(opened: Opened, job: Job) -> Generator[Token, None, None]:
    """The tokens of one reply, in the process that has the GPU, until its time is over or it is closed."""
    out: SimpleQueue[Token | Exception | None] = SimpleQueue()
    speaker = _Out(out, time.monotonic() + job.seconds - START_SECONDS - SPARE_SECONDS)

    def work() -> None:
        try:
            model = opened.loaded.model
            sampler = Sampler(
                model.generation_config, job.sampling, job.seed, model.device, alternatives=job.alternatives
            )
            write(
                opened.loaded, Row(job.ids, job.limit, sampler, speaker), chunk=opened.chunk, lock=opened.lock
            )
        except Exception as error:
            out.put(error)
        out.put(None)

    thread = threading.Thread(target=work, name="zerogpu-generate", daemon=True)
    thread.start()
    try:
        while (said := out.get()) is not None:
            if isinstance(said, Exception):
                raise said
            yield said
    finally:
        speaker.cancelled = True
        thread.join()


class _Out:
    """A `Speaker` that passes tokens on as plain data. until: when its time is over."""

    def __init__(self, out: SimpleQueue[Token | Exception | None], until: float) -> None:
        self.cancelled = False
        self._out = out
        self._until = until

    def token(self, choice: Choice) -> bool:
        self._out.put((choice.token, choice.logprob, choice.alternatives))
        return self.cancelled or time.monotonic() > self._until

    def finish(self, row: Row, error: BaseException | None) -> None:
        """Nothing: the generator ends."""

    def cut(self) -> None:
        """Nothing, likewise."""


@dataclass(frozen=True, slots=True)
class _Event:
    """The event of Gradio that asks for a GPU: alive while somebody wants the reply."""

    row: Row
    _id: str = "reply"

    @property
    def alive(self) -> bool:
        return not self.row.speaker.cancelled


def _ask_as(visitor: str, row: Row, port: int) -> None:
    """Set what `spaces` reads of Gradio's context: the visitor's token, the event and the server's port."""
    from gradio.context import LocalContext

    said: Any = SimpleNamespace(
        active_jobs=[[_Event(row)]], log_message=lambda *_, **__: None, set_progress=lambda *_, **__: None
    )
    blocks: Any = SimpleNamespace(_queue=said, server=SimpleNamespace(config=SimpleNamespace(port=port)))
    LocalContext.blocks.set(blocks)
    LocalContext.event_id.set("reply")
    request: Any = SimpleNamespace(headers=_Headers({TOKEN_HEADER: visitor} if visitor else {}))
    LocalContext.request.set(request)


class _Headers(dict[str, str]):
    """`spaces` wants headers with a `__dict__`."""


def _explained(error: Exception) -> BackendError | None:
    """What `spaces` raises, in its kind of Gradio error, as ours."""
    title, message = str(getattr(error, "title", "")), str(getattr(error, "message", ""))
    if title in ("ZeroGPU quota exceeded", "ZeroGPU pending credits exceeded"):
        return RateLimited(
            "The GPU time that the host gives you for today is used up.",
            cure="Sign in at Hugging Face for more, or try again later.",
        )
    if title == "ZeroGPU illegal duration":
        return BadRequest(
            "The reply would take more GPU time than the host allows.", cure="Ask for fewer tokens."
        )
    if title in ("ZeroGPU queue timeout", "ZeroGPU client error"):
        return Unavailable("No GPU is free.", cure="Try again in a minute.")
    if title != "ZeroGPU worker error":
        return None
    if message == "OutOfMemoryError":
        return OutOfMemory("This reply does not fit into the GPU's memory.", cure="Shorten the conversation.")
    if message == "GPU task aborted":
        return Unavailable("The host took the GPU back.", cure="Continue the reply.")
    return EngineFailed(f"The model failed ({message}).", cure="Try again; the log has the details.")
