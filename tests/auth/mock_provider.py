"""The OpenID provider of `oidc_provider_mock`, with one key for all: it would make one at each start and
check it for each token, which takes most of its time."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from joserfc.jwk import import_key

with warnings.catch_warnings():
    import authlib.deprecate  # turns its warnings on

    warnings.simplefilter("ignore", authlib.deprecate.AuthlibDeprecationWarning)
    from authlib.jose import RSAKey
    from authlib.oidc.core.grants import code
    from oidc_provider_mock import User, run_server_in_thread

__all__ = ["OLDER_AUTHLIB", "User", "mock_provider"]

# The mock is written for an older authlib.
OLDER_AUTHLIB = pytest.mark.filterwarnings(r"ignore:get_jwt_config\(self, grant\) is deprecated")

_make_key = cache(RSAKey.generate_key)


@cache
def _imported() -> Any:
    return import_key(_make_key(is_private=True).as_dict(is_private=True))


@contextmanager
def mock_provider(**options: Any) -> Iterator[str]:
    """Its address, until the block ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
        patch.setattr(RSAKey, "generate_key", _make_key)
        patch.setattr(code, "import_any_key", lambda _key: _imported())
        with run_server_in_thread(**options) as server:
            yield f"http://localhost:{server.server_port}"
