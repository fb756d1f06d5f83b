"""How fast a model answers several people at once: what `webchat bench` measures, and how it says it."""

from webchat.bench.measure import Plan, Result, Run, measure
from webchat.bench.report import as_json, table

__all__ = ["Plan", "Result", "Run", "as_json", "measure", "table"]
