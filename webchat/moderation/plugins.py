"""Moderators of other packages.

A package adds a kind with an entry point in the group `webchat.moderators`: a callable that takes the options
of a table in the rules file as one mapping and returns a `Moderator`. It raises `ValueError` for options that
are wrong. The options don't include `kind`, nor the settings of every kind (`name`, `stages`, `fail`): those
are set on the returned moderator if the table has them. `deploy/examples/moderator` is an example.

    [project.entry-points."webchat.moderators"]
    shouting = "webchat_shouting:make"

Built-in names win. An entry point is loaded only when a table asks for its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, get_args

from pydantic import ValidationError

from webchat.moderation.filters import Moderator
from webchat.moderation.kinds.tables import BadRules, Table, first_error
from webchat.moderation.verdicts import Fail, Stage

GROUP = "webchat.moderators"

Factory = Callable[[Mapping[str, Any]], Moderator]


def kinds() -> tuple[str, ...]:
    """The kinds of all installed packages, without loading any."""
    return tuple(sorted({entry.name for entry in entry_points(group=GROUP)}))


def make(place: str, kind: str, settings: Mapping[str, Any]) -> Moderator:
    """A moderator from an installed package. place: of its table, for errors. settings: of the table, except
    `kind`. Raises `BadRules`."""
    common = {name: value for name, value in settings.items() if name in Table.model_fields}
    try:
        table = Table(kind=kind, **common)
    except ValidationError as error:
        raise BadRules(f"{place}.{first_error(error)}") from None
    entry = next(iter(entry_points(group=GROUP, name=kind)))
    try:
        factory: Factory = entry.load()
    except (ImportError, AttributeError) as error:
        raise BadRules(f"{place}: the plugin {kind!r} cannot be loaded: {error}") from None
    try:
        made = factory({name: value for name, value in settings.items() if name not in common})
    except (ValueError, TypeError, KeyError) as error:
        raise BadRules(f"{place}: {error or type(error).__name__}") from None
    who = f"{place}: {_where(entry)}"
    _set(who, made, table)
    _check(who, made)
    return made


def _set(who: str, made: Moderator, table: Table) -> None:
    """Set what the table has of the settings of every kind; the others stay the moderator's own. Raises
    `BadRules`."""
    given = {"name": table.name, "stages": frozenset(table.stages), "fail": table.fail}
    for name, value in given.items():
        if name in table.model_fields_set and value:
            try:
                setattr(made, name, value)
            except AttributeError:
                raise BadRules(f"{who} returned a moderator whose {name} cannot be set") from None


def _check(who: str, made: Moderator) -> None:
    """Raises `BadRules` for anything that is not a moderator."""
    for name in ("name", "stages", "fail", "seconds", "open"):
        if not hasattr(made, name):
            raise BadRules(f"{who} did not return a moderator: it has no {name}")
    strange = set(made.stages) - set(get_args(Stage))
    if strange or not made.stages or made.fail not in get_args(Fail):
        raise BadRules(f"{who} returned a moderator with unknown stages or an unknown fail rule")


def _where(entry: EntryPoint) -> str:
    return entry.value if entry.dist is None else f"{entry.dist.name} ({entry.value})"
