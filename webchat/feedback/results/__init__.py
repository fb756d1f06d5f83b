"""Which model people prefer, and how sure that is.

Votes of one person are alike, so intervals come from a bootstrap that draws people, not votes. Everything is
a pure function of its records; with the same records it gives the same numbers.
"""

from webchat.feedback.results.agreement import Agreement, agreement, votes_agreement
from webchat.feedback.results.records import Interval, ModelResult, Note, PairResult, Results, ThumbsResult
from webchat.feedback.results.results import results
from webchat.feedback.results.thumbs import thumbs
from webchat.feedback.results.variants import by_variant, described, set_values

__all__ = [
    "Agreement",
    "Interval",
    "ModelResult",
    "Note",
    "PairResult",
    "Results",
    "ThumbsResult",
    "agreement",
    "by_variant",
    "described",
    "results",
    "set_values",
    "thumbs",
    "votes_agreement",
]
