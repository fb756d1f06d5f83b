"""Training adapters on exports, and models on plain text, by `trl` in a process of its own; and the way of
both into the picker.

`plan` says what will run, `texts` makes a data set of plain text, `checks` says why it cannot run, `running`
runs it and tells how it goes by `progress`, `rows` deletes the copy of what people wrote when it ends, `runs`
lists what runs or stopped, `keeping` keeps what came of it beside a card and its `curves`.
"""

from webchat.feedback.finetuning.checks import Found, check, is_small, window_of
from webchat.feedback.finetuning.curves import Words, curves
from webchat.feedback.finetuning.errors import CannotTrain
from webchat.feedback.finetuning.keeping import Card, card_of, check_free, kept
from webchat.feedback.finetuning.plan import (
    ADAPTER_LEARNING_RATES,
    FRESH_LEARNING_RATE,
    LEARNING_RATES,
    METHODS,
    NAME,
    Method,
    Plan,
)
from webchat.feedback.finetuning.progress import Point, Progress
from webchat.feedback.finetuning.rows import forget_rows, forgotten_unless_done, is_copy, rows_changed
from webchat.feedback.finetuning.running import AlreadyRunning, Cancelled, Failed, cancel, run
from webchat.feedback.finetuning.runs import Run, is_running, runs, store_plan, stored_plan
from webchat.feedback.finetuning.texts import texts_of, write_texts

__all__ = [
    "ADAPTER_LEARNING_RATES",
    "FRESH_LEARNING_RATE",
    "LEARNING_RATES",
    "METHODS",
    "NAME",
    "AlreadyRunning",
    "Cancelled",
    "CannotTrain",
    "Card",
    "Failed",
    "Found",
    "Method",
    "Plan",
    "Point",
    "Progress",
    "Run",
    "Words",
    "cancel",
    "card_of",
    "check",
    "check_free",
    "curves",
    "forget_rows",
    "forgotten_unless_done",
    "is_copy",
    "is_running",
    "is_small",
    "kept",
    "rows_changed",
    "run",
    "runs",
    "store_plan",
    "stored_plan",
    "texts_of",
    "window_of",
    "write_texts",
]
