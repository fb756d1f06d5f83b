"""Replay: stored conversations answered again by other models, or with other settings.

A *set* is a list of stored replies, a *run* has what they answered answered again by one variant (`running`),
and `comparing` puts the replies side by side. The store has all of it, so that a run goes on after any end of
the process.
"""

from webchat.feedback.replay.checks import BadCheck, Check, checked, dump_checks
from webchat.feedback.replay.choosing import BadExport, held_out
from webchat.feedback.replay.comparing import Judged, Summary, is_whole, items, summaries
from webchat.feedback.replay.diff import Piece, word_diff
from webchat.feedback.replay.judging import JudgedItem, default_prompt, judge, judged_items, with_judge
from webchat.feedback.replay.report import (
    JUDGE_COLUMNS,
    columns_of,
    facts_of,
    judge_rows,
    name_of,
    report,
    summary_cells,
    told_of_judges,
    verdicts_of_judges,
)
from webchat.feedback.replay.running import Replayer
from webchat.feedback.replay.variants import default_name

__all__ = [
    "JUDGE_COLUMNS",
    "BadCheck",
    "BadExport",
    "Check",
    "Judged",
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
    "judge_rows",
    "judged_items",
    "name_of",
    "report",
    "summaries",
    "summary_cells",
    "told_of_judges",
    "verdicts_of_judges",
    "with_judge",
    "word_diff",
]
