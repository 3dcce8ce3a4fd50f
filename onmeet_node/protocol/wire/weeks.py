"""The weeks of tokens: ISO 8601's, counted from the first Monday of 1970 (PROTOCOL, "Tokens")."""

from __future__ import annotations

EPOCH_SECONDS = 7 * 86_400
"""A key signs for one week: so many are alike at once."""
FIRST_EPOCH = 4 * 86_400
"""Unix seconds of the first Monday, 5 January 1970, 0 h UTC: epochs are ISO 8601's weeks."""
GRACE_SECONDS = 86_400
"""After its week a token is still taken for so long: clocks differ, and calls pass midnight."""
EARLY_SECONDS = 600
"""Before its week: a node's clock may be so far ahead."""


def epoch_of(seconds: float) -> int:
    """The week that these Unix seconds are in."""
    return (int(seconds) - FIRST_EPOCH) // EPOCH_SECONDS


def epoch_begins(epoch: int) -> int:
    """Unix seconds of its Monday, 0 h UTC."""
    return FIRST_EPOCH + epoch * EPOCH_SECONDS
