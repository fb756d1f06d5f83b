"""Moderators of other packages.

A package adds a kind with an entry point in the group `webchat.moderators`, a callable that takes the options
of a table in the file of rules, all but `kind`, as one mapping and returns a `Moderator`; what is wrong with
the options it says with a `ValueError`. `deploy/examples/moderator` is one.

    [project.entry-points."webchat.moderators"]
    shouting = "webchat_shouting:make"

Built-in names win. An entry point is loaded only when a table asks for its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, get_args

from webchat.moderation.filters import Moderator
from webchat.moderation.tables import BadRules
from webchat.moderation.verdicts import Fail, Stage

GROUP = "webchat.moderators"

Factory = Callable[[Mapping[str, Any]], Moderator]


def kinds() -> tuple[str, ...]:
    """The kinds of all installed packages; loads none."""
    return tuple(sorted({entry.name for entry in entry_points(group=GROUP)}))


def make(place: str, kind: str, options: Mapping[str, Any]) -> Moderator:
    """A moderator of an installed package. place: of its table, for what is said about it. Raises
    `BadRules`."""
    entry = next(iter(entry_points(group=GROUP, name=kind)))
    try:
        factory: Factory = entry.load()
    except (ImportError, AttributeError) as error:
        raise BadRules(f"{place}: the package of {kind!r} cannot be loaded: {error}") from None
    try:
        made = factory(options)
    except (ValueError, TypeError, KeyError) as error:
        raise BadRules(f"{place}: {error or type(error).__name__}") from None
    _check(f"{place}: {_where(entry)}", made)
    return made


def _check(who: str, made: Moderator) -> None:
    """Raises `BadRules` for what is no moderator."""
    for name in ("name", "stages", "fail", "seconds", "open"):
        if not hasattr(made, name):
            raise BadRules(f"{who} made no moderator: it has no {name}")
    strange = set(made.stages) - set(get_args(Stage))
    if strange or not made.stages or made.fail not in get_args(Fail):
        raise BadRules(f"{who} made a moderator with other stages or another fail rule than there are")


def _where(entry: EntryPoint) -> str:
    return entry.value if entry.dist is None else f"{entry.dist.name} ({entry.value})"
