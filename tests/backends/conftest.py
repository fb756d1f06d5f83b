"""Fixtures of the contract suite: every test that takes `backend` runs once per case."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from backends.base import Backend
from tests.backends.cases import CASES, BackendCase
from tests.llama_server import demo_gguf, llama_server

__all__ = ["demo_gguf", "llama_server"]  # fixtures of the real counterparts


@pytest.fixture(params=[pytest.param(case, id=case.name, marks=case.marks) for case in CASES])
def case(request: pytest.FixtureRequest) -> BackendCase:
    found: BackendCase = request.param
    return found


@pytest.fixture
async def backend(case: BackendCase, request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    made = case.make(request)
    await made.start()
    yield made
    await made.aclose()
