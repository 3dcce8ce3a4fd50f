"""What doctor finds: one line for what works or not, one for what to do about it."""

from __future__ import annotations

import enum
from collections.abc import Callable

import attrs


class Level(enum.StrEnum):
    """How well it is."""

    GOOD = "good"
    POOR = "poor"
    """It works for most, or could not be looked at."""
    BAD = "bad"


@attrs.frozen
class Finding:
    """One thing that was looked at."""

    level: Level
    what: str
    remedy: str = ""


Tell = Callable[[Finding], None]


def good(what: str) -> Finding:
    """Something works."""
    return Finding(Level.GOOD, what)


def poor(what: str, remedy: str = "") -> Finding:
    """Something could be better."""
    return Finding(Level.POOR, what, remedy)


def bad(what: str, remedy: str = "") -> Finding:
    """Something does not work."""
    return Finding(Level.BAD, what, remedy)


def of_error(error: Exception) -> Finding:
    """An error of ours, whose first sentence says what happened and the rest what to do."""
    what, stop, remedy = str(error).partition(". ")
    return bad(what + stop.strip(), remedy)
