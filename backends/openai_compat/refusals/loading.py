"""Whether an endpoint refuses because its model is still loading, which is worth waiting for.

llama.cpp answers 503 `{"error": {"message": "Loading model", ...}}`, Hugging Face's endpoints 503 with
`estimated_time`, and gateways in front of a starting container 503 in their own words.
"""

from __future__ import annotations

import json
import re
from typing import Any

from backends.errors import Loading

_WORDS = re.compile(
    r"(?<!over)(?<!up)(?<!down)\bload(ing|ed)?\b|warm\w*[ -]?up|warming|start(ing|up)|initiali[sz]|cold.start"
    r"|not (yet )?ready|加载|启动|初始化|未就绪|预热",
    re.I,
)
_LOOKED_AT = 4096


def loading(status: int, body: bytes, place: str) -> Loading | None:
    """The `Loading` error, or `None` if it is another. place: the host, for messages."""
    if status != 503:
        return None
    text = body[:_LOOKED_AT].decode("utf-8", "replace")
    seconds = _estimate(body)
    if seconds is None and not _WORDS.search(text):
        return None
    return Loading(f"{place} is still loading the model.", cure="Try again in a moment.", seconds=seconds)


def _estimate(body: bytes) -> float | None:
    try:
        parsed: Any = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    told = parsed.get("estimated_time") if isinstance(parsed, dict) else None
    return float(told) if isinstance(told, int | float) and 0 <= told < 86_400 else None
