"""Fixtures of the contract suite: every test that takes `backend` runs once per case."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from backends.base import Backend
from tests.backends.cases import CASES, BackendCase
from tests.llama_server import llama_server
from tests.transformers_server import transformers_server

__all__ = ["llama_server", "transformers_server"]  # fixtures of the real counterparts


@pytest.fixture(scope="module", params=[pytest.param(case, id=case.name, marks=case.marks) for case in CASES])
def case(request: pytest.FixtureRequest) -> BackendCase:
    found: BackendCase = request.param
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backend(case: BackendCase, request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    """One for all tests of a module, as in real life: what one request leaves behind meets the next."""
    made = case.make(request)
    await made.start()
    yield made
    await made.aclose()
