"""Kinds of media as programs give them, checked where they come in."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from onmeet_node.protocol.wire.messages import Kind


def require_kinds(kinds: object) -> frozenset[Kind]:
    """`kinds` as it is used. Raises TypeError for anything but a set of `Kind`.

    A text would be taken for a set of its letters, and ``"audio"`` for `Kind.AUDIO`, to fail
    later, elsewhere.
    """
    if not isinstance(kinds, AbstractSet) or not all(isinstance(each, Kind) for each in kinds):
        raise TypeError(
            f"kinds must be a set of onmeet_node.Kind, as in {{Kind.AUDIO}}, not {kinds!r}."
        )
    return frozenset(kinds)
