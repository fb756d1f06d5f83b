"""Which groups are held out."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

from webchat.feedback.datasets.groups import Group

TRAIN, TEST = "train", "test"

_MOST_TEST = 0.3
"""A group with more of the records is not held out, if there are smaller ones."""


def split(groups: Mapping[int, Group], salt: str, share: float, earlier: Mapping[str, str]) -> dict[int, str]:
    """Train or test for each group. Where something of a group was before decides; otherwise, its hash. So
    other groups stay where they are when something comes or goes.

    earlier: by hash of a person or conversation. If nothing else is held out, the smallest group is.
    """
    total = sum(group.records for group in groups.values())
    found: dict[int, str] = {}
    for root, group in groups.items():
        before = {earlier[anchor] for anchor in group.anchors if anchor in earlier}
        if before:
            found[root] = TRAIN if TRAIN in before else TEST
        else:
            held_out = place(group, salt) < share and group.records <= _MOST_TEST * total
            found[root] = TEST if held_out else TRAIN
    free = [root for root, group in groups.items() if not any(one in earlier for one in group.anchors)]
    if TEST not in found.values() and len(groups) > 1 and free:
        found[min(free, key=lambda root: (groups[root].records, groups[root].key))] = TEST
    return found


def fold(groups: Mapping[int, Group], salt: str, folds: int) -> dict[int, str]:
    """The number of its fold for each group, from 1: by hash, but the largest groups so that folds are of
    about one size."""
    filled = [0] * folds
    found = {}
    order = sorted(groups, key=lambda root: (-groups[root].records, place(groups[root], salt)))
    for root in order:
        at = min(range(folds), key=lambda number: (filled[number], number))
        filled[at] += groups[root].records
        found[root] = str(at + 1)
    return found


def place(group: Group, salt: str) -> float:
    """A number in [0, 1) from the hash of a group."""
    digest = blake2b(group.key, digest_size=8, key=salt.encode()[:64]).digest()
    return int.from_bytes(digest) / 2**64
