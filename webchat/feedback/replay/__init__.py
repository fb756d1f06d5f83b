"""Replay: stored conversations answered again by other models, or with other settings.

A *set* is a list of stored replies, a *run* has what they answered answered again by one variant (`running`),
and `comparing` puts the replies side by side. The store has all of it, so that a run goes on after any end of
the process.
"""

from webchat.feedback.replay.checks import BadCheck, Check, checked, dump_checks
from webchat.feedback.replay.choosing import BadExport, held_out
from webchat.feedback.replay.comparing import Summary, is_whole, items, summaries
from webchat.feedback.replay.diff import Piece, word_diff
from webchat.feedback.replay.judging import JudgedItem, default_prompt, judge, judged_items
from webchat.feedback.replay.report import columns_of, facts_of, report, summary_cells, verdict_of_judge
from webchat.feedback.replay.running import Replayer
from webchat.feedback.replay.variants import default_name

__all__ = [
    "BadCheck",
    "BadExport",
    "Check",
    "JudgedItem",
    "Piece",
    "Replayer",
    "Summary",
    "checked",
    "columns_of",
    "default_name",
    "default_prompt",
    "dump_checks",
    "facts_of",
    "held_out",
    "is_whole",
    "items",
    "judge",
    "judged_items",
    "report",
    "summaries",
    "summary_cells",
    "verdict_of_judge",
    "word_diff",
]
