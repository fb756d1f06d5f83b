"""What the replies of a set have in common and how they differ, variant by variant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

from webchat.feedback.replay.checks import Check, load_checks
from webchat.feedback.replay.intervals import wilson
from webchat.feedback.replay.judging import JudgedItem, Verdict, judged_items, verdict_of
from webchat.feedback.replay.refusals import refuses
from webchat.feedback.results import Interval
from webchat.store import Store
from webchat.store.records import REPEATED
from webchat.store.replay_records import ReplayReply, ReplaySet

PAGE = 50
"""Items read at a time."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a check or a judge decided about the replies of one variant.

    by: the check, or the name of the judge. passed: of those with a verdict, `verdicts`; the interval is of
    that share. unclear: answers that are no verdict, or failed. agreed: verdicts that most people share, of
    the `liked` ones on replies that more people found good than bad, or the other way round. own: replies by
    the model of the judge itself. tokens: what the judge read and wrote, as far as its models tell. broken:
    answers that failed, of the unclear. repeated, too_long: those that were ended as they only repeated
    themselves, and that reached the limit of tokens.
    """

    by: Check | str
    passed: int
    verdicts: int
    unclear: int
    agreed: int
    liked: int
    own: int
    tokens: int
    broken: int
    repeated: int
    too_long: int
    interval: Interval | None
    agreed_interval: Interval | None


@dataclass(frozen=True, slots=True)
class Summary:
    """How one variant answered a set, or how it was answered before. Means and medians are over whole
    replies, and `None` where there are none or nothing is known.

    items: what may be used. done, failed: of those. same: replies that equal the stored one. refusals: by a
    heuristic. passed: replies that pass all checks of the set, if it has any. chars: mean length. tokens:
    mean of completions. first_token_seconds, seconds: medians; without the time in the queue. judged: what
    each check and then each judge of the set decided.
    """

    items: int
    done: int
    failed: int
    same: int
    refusals: int
    refusal_interval: Interval | None
    passed: int | None
    passed_interval: Interval | None
    chars: float | None
    tokens: float | None
    first_token_seconds: float | None
    seconds: float | None
    judged: tuple[Judged, ...] = ()


def summaries(store: Store, operator: str, of: ReplaySet, runs: Sequence[str]) -> list[Summary]:
    """Of the stored replies, then of each run. Reads all of them: call it in a thread."""
    checks, names = load_checks(of.assertions), [one.name for one in of.judges]
    counts = [
        _Count([(check, _Judging(check)) for check in checks], [_Judging(name) for name in names])
        for _ in range(1 + len(runs))
    ]
    for item, verdicts in items(store, operator, of, runs):
        for count, reply, answers in zip(counts, (item.stored, *item.replies), verdicts, strict=True):
            count.add(reply, item.stored)
            if is_whole(reply):
                # Another list where the judges were changed meanwhile: the next look has it.
                for judging, answer in zip(count.judging, answers, strict=False):
                    judging.add(reply, answer)
    return [count.summary() for count in counts]


@dataclass(frozen=True, slots=True)
class Answers:
    """What became of all answers of a judge, to all variants. asked: those that ended. The others as of
    `Judged`."""

    by: str
    asked: int
    unclear: int
    broken: int
    repeated: int
    too_long: int
    tokens: int

    @property
    def is_undecided(self) -> bool:
        """Whether most are words without a verdict: its model may not be up to its prompt."""
        return 2 * (self.unclear - self.broken) > self.asked


def answers_of_judges(found: Sequence[Summary]) -> list[Answers]:
    of_each = zip(*(one.judged for one in found), strict=True)
    return [
        Answers(
            by,
            sum(one.verdicts + one.unclear for one in theirs),
            sum(one.unclear for one in theirs),
            sum(one.broken for one in theirs),
            sum(one.repeated for one in theirs),
            sum(one.too_long for one in theirs),
            sum(one.tokens for one in theirs),
        )
        for theirs in of_each
        if isinstance(by := theirs[0].by, str)
    ]


def items(store: Store, operator: str, of: ReplaySet, runs: Sequence[str]) -> Iterator[JudgedItem]:
    """All items of a set, read page by page in the calling thread."""
    judging = store.replay_judging(operator, of.id) if of.judges else ()
    after = 0
    while page := judged_items(store, operator, of.id, runs, judging, after=after, limit=PAGE):
        yield from page
        after = page[-1][0].number


def is_failed(reply: ReplayReply) -> bool:
    """Whether a reply failed, was blocked or was cut off, for good."""
    return reply.state in ("failed", "blocked", "stopped")


def is_whole(reply: ReplayReply) -> bool:
    """Whether a reply ended by itself; of a stored one, also whether somebody stopped it."""
    return reply.state == "complete"


def judges_itself(reply: ReplayReply, answer: ReplayReply) -> bool:
    """Whether a judge was asked about a reply of its own model."""
    return bool(answer.model) and answer.model == reply.model


def seconds_of(reply: ReplayReply) -> tuple[float | None, float | None]:
    """To the first token, and to the end, from when its model was asked."""
    waited = reply.queued_seconds or 0.0
    times = (reply.first_token_seconds, reply.total_seconds)
    first, total = (None if time is None else max(0.0, time - waited) for time in times)
    return first, total


@dataclass(slots=True)
class _Judging:
    by: Check | str
    agreed: int = 0
    liked: int = 0
    own: int = 0
    tokens: int = 0
    broken: int = 0
    ends: Counter[str | None] = field(default_factory=Counter)
    verdicts: Counter[Verdict | None] = field(default_factory=Counter)

    def add(self, reply: ReplayReply, answer: ReplayReply) -> None:
        if answer.state is None:
            return
        self.tokens += (answer.prompt_tokens or 0) + (answer.completion_tokens or 0)
        self.own += judges_itself(reply, answer)
        self.broken += is_failed(answer)
        self.ends[answer.finish_reason] += 1
        if is_whole(answer) or is_failed(answer):
            self.decide(reply, verdict_of(answer.text) if is_whole(answer) else None)

    def decide(self, reply: ReplayReply, verdict: Verdict | None) -> None:
        self.verdicts[verdict] += 1
        if verdict is not None and reply.liked:
            self.liked += 1
            self.agreed += (verdict == "pass") == (reply.liked > 0)

    def judged(self) -> Judged:
        passed, decided = self.verdicts["pass"], self.verdicts["pass"] + self.verdicts["fail"]
        return Judged(
            by=self.by,
            passed=passed,
            verdicts=decided,
            unclear=self.verdicts[None],
            agreed=self.agreed,
            liked=self.liked,
            own=self.own,
            tokens=self.tokens,
            broken=self.broken,
            repeated=self.ends[REPEATED],
            too_long=self.ends["length"],
            interval=wilson(passed, decided),
            agreed_interval=wilson(self.agreed, self.liked),
        )


@dataclass(slots=True)
class _Count:
    checks: list[tuple[Check, _Judging]]
    judging: list[_Judging]
    items: int = 0
    done: int = 0
    failed: int = 0
    same: int = 0
    refusals: int = 0
    passed: int = 0
    chars: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, reply: ReplayReply, stored: ReplayReply) -> None:
        self.items += 1
        self.failed += is_failed(reply)
        if not is_whole(reply):
            return
        self.done += 1
        self.same += reply.text.strip() == stored.text.strip()
        self.refusals += refuses(reply.text)
        passes = [check.passes(reply.text) for check, _ in self.checks]
        self.passed += all(passes)
        for (_, judging), passed in zip(self.checks, passes, strict=True):
            judging.decide(reply, "pass" if passed else "fail")
        self.chars.append(len(reply.text))
        if reply.completion_tokens is not None:
            self.tokens.append(reply.completion_tokens)
        first, total = seconds_of(reply)
        if first is not None:
            self.first.append(first)
        if total is not None:
            self.seconds.append(total)

    def summary(self) -> Summary:
        return Summary(
            items=self.items,
            done=self.done,
            failed=self.failed,
            same=self.same,
            refusals=self.refusals,
            refusal_interval=wilson(self.refusals, self.done),
            passed=self.passed if self.checks else None,
            passed_interval=wilson(self.passed, self.done) if self.checks else None,
            chars=fmean(self.chars) if self.chars else None,
            tokens=fmean(self.tokens) if self.tokens else None,
            first_token_seconds=median(self.first) if self.first else None,
            seconds=median(self.seconds) if self.seconds else None,
            judged=tuple(one.judged() for one in (*(one for _, one in self.checks), *self.judging)),
        )
