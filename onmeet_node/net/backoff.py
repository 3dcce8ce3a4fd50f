"""How long to wait before trying again."""

from __future__ import annotations

import random


class Backoff:
    """Waits that double from `start` to `most` seconds, each shortened at random by up to half.

    The randomness keeps nodes that lost the same bootstrap at the same moment from coming back to
    it at the same moment.
    """

    def __init__(self, start: float = 0.5, most: float = 60.0) -> None:
        self._start = start
        self._most = most
        self._wait = start

    def next(self) -> float:
        """Seconds to wait now; the next wait is twice as long."""
        wait = self._wait
        self._wait = min(self._wait * 2, self._most)
        return wait * random.uniform(0.5, 1.0)  # noqa: S311 - no secret

    def first(self) -> float:
        """A wait as after one failure, leaving the count of failures alone."""
        return self._start * random.uniform(0.0, 1.0)  # noqa: S311 - no secret

    def reset(self) -> None:
        """It worked: the next failure counts as the first."""
        self._wait = self._start
