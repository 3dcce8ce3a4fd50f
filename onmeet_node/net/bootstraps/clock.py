"""How far this machine's clock is off, by what bootstraps date their descriptions."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from onmeet_node.protocol.wire.bootstrap_api import Description, SignedDescription, open_description
from onmeet_node.protocol.wire.codec import Codec
from onmeet_node.protocol.wire.errors import DecodeError

DATED_LATELY = 60.0
"""Seconds for which a bootstrap may tell the same description again: it signs anew every 30 s."""
TOLERATED = 120.0
"""Seconds that change nothing anybody notices. Records may be dated ten minutes ahead at most, and
credentials last hours."""

_undated: Codec[Description] = Codec(Description, limit=2_048)


def date_of(signed: SignedDescription, peer: str) -> int:
    """When the bootstrap `peer` says that it signed this, whatever our own clock thinks of it.

    Raises DescriptionError if it is not by that bootstrap, or is no description.
    """
    try:
        claimed = _undated.decode(signed.body)
    except DecodeError:
        claimed = None
    now = claimed.issued if isinstance(claimed, Description) else 0
    return open_description(signed, peer, now=now).issued


def ahead_of(issued: int, now: float) -> float:
    """Seconds by which a clock that shows `now` is surely ahead of the one that showed `issued`.

    Negative when it is behind; 0 when the two may agree.
    """
    if now < issued:
        return now - issued
    return max(0.0, now - issued - DATED_LATELY)


def clock_problem(ahead: Iterable[float]) -> str:
    """What to tell the person, by `ahead_of` of each bootstrap; "" if nothing is to be told.

    The median counts, so that one wrong bootstrap among three is outvoted.
    """
    known = list(ahead)
    off = statistics.median(known) if known else 0.0
    if abs(off) < TOLERATED:
        return ""
    return (
        f"This machine's clock is {spoken(abs(off))} {'ahead' if off > 0 else 'behind'}: set it "
        "right (timedatectl set-ntp true does it on most systems), or others may not find you."
    )


def spoken(seconds: float) -> str:
    """A span of time as people say it: ``10 minutes``."""
    for name, unit in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count = round(seconds / unit)
        if count >= 2 or (count == 1 and unit == 60):
            return f"{count} {name}{'s' if count > 1 else ''}"
    return f"{round(seconds)} seconds"
