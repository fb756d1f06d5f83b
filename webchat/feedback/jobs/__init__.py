"""Long work on judgements that the console starts: exports and small trainings.

Each is a `webchat` command in a process of its own, over this server's data, so that nobody's request waits
for it. `commands` starts them, `exports` and `trainings` say how they are.
"""

from webchat.feedback.jobs.commands import Commands
from webchat.feedback.jobs.exports import Export, JudgementExports, Wanted
from webchat.feedback.jobs.trainings import Refused, Training, Trainings

__all__ = ["Commands", "Export", "JudgementExports", "Refused", "Training", "Trainings", "Wanted"]
