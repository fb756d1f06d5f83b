"""`webchat bench`: measures how fast a model serves several people at once."""

from webchat.bench.measure import Bench
from webchat.bench.prompts import Prompts
from webchat.bench.report import as_json, table
from webchat.bench.result import Plan, Reply, Result, Round, Run

__all__ = ["Bench", "Plan", "Prompts", "Reply", "Result", "Round", "Run", "as_json", "table"]
