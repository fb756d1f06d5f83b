"""The fields that most of the APIs share: sampling, tools, formats."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from backends.types import NamedTool, Options, ResponseFormat, Sampling, Tool, ToolChoice
from webchat.api.v1.call import refused
from webchat.api.v1.reading import Loose

Temperature = Annotated[float, Field(ge=0, le=2)]
TopP = Annotated[float, Field(gt=0, le=1)]
Tokens = Annotated[int, Field(ge=1, le=10_000_000)]
Stop = Annotated[str, Field(max_length=200)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
ModelName = Annotated[str, Field(max_length=400)]

_SEEDS = 2**63

MOST_LEVELS = 64
"""Lists and objects within each other, in a schema: engines and checks walk through all of them."""


class Sampled(Loose):
    """Sampling as OpenAI names it, with what vLLM and llama.cpp have beside it."""

    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: int | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=10)] | None = None
    seed: Annotated[int, Field(ge=-_SEEDS, lt=_SEEDS)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=16)] | None = None

    def sampling(self, max_tokens: int | None) -> Sampling:
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            # Engines take 0 and -1 for no limit.
            top_k=self.top_k if self.top_k is not None and self.top_k > 0 else None,
            min_p=self.min_p,
            repetition_penalty=self.repetition_penalty,
            max_tokens=max_tokens,
            seed=None if self.seed is None else self.seed % _SEEDS,
            stop=tuple(one for one in stop if one),
        )


class FunctionBody(Loose):
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None

    def tool(self) -> Tool:
        return Tool(self.name, self.description or "", self.parameters or {}, self.strict)


class SchemaBody(Loose):
    name: Name = "answer"
    description: str | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None

    def wanted(self) -> ResponseFormat:
        return ResponseFormat(self.schema_ or {}, self.name, self.description or "", self.strict)


def options(
    tools: list[Tool],
    choice: ToolChoice | None,
    parallel: bool | None,
    wanted: ResponseFormat | None,
) -> Options:
    """Raises `ApiError` if they contradict each other."""
    for tool in tools:
        _check_depth("tools", tool.parameters)
    if wanted is not None:
        _check_depth("response_format", wanted.schema)
    names = [tool.name for tool in tools]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise refused("tools", f"two tools are named {twice!r}.")
    if isinstance(choice, NamedTool) and choice.name not in names:
        raise refused("tool_choice", f"there is no tool named {choice.name!r}.")
    if choice == "required" and not tools:
        raise refused("tool_choice", "there are no tools to choose from.")
    if not tools:
        return Options(response_format=wanted)
    return Options(tuple(tools), choice, parallel, wanted)


def _check_depth(field: str, schema: object) -> None:
    """Raises `ApiError` for a schema that is nested too deeply."""
    level: list[Any] = [schema]
    for _ in range(MOST_LEVELS):
        within = [
            one.values() if isinstance(one, dict) else one for one in level if isinstance(one, (dict, list))
        ]
        level = [one for some in within for one in some]
        if not level:
            return
    raise refused(field, f"a schema is nested more than {MOST_LEVELS} levels deep.")


Plain = Literal["auto", "none", "required"]
