"""How often one party may ask, tell or write something: token buckets, one for each key.

What they remember is in memory only, is bounded, and goes when it stops mattering (P2): a bucket
that is full again equals no bucket.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

import attrs

MAX_BUCKETS = 16_384
"""About 4 MB. Beyond it the bucket asked for longest ago, hence the fullest, is forgotten."""
MAX_SENDERS = 1_024
"""Of one kind, that a person's node counts."""
_ROUNDING = 1e-9
"""Of a token: what adding up fractions of tokens may lose."""


@attrs.frozen
class AllowedRate:
    """`burst` requests at once, then `per_minute` of them a minute."""

    per_minute: float
    burst: int

    @property
    def interval(self) -> float:
        """Seconds until a token that was taken is there again."""
        return 60.0 / self.per_minute


class RateLimit:
    """A token bucket for each key.

    `clock` gives seconds from any origin, and may jump, as wall clocks do: time that ran backwards
    fills no bucket, and empties none.
    """

    def __init__(
        self, rate: AllowedRate, clock: Callable[[], float], *, max_keys: int = MAX_BUCKETS
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._max_keys = max_keys
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        """The tokens that were left and when that was, the one asked for longest ago first."""

    def allow(self, key: Hashable) -> bool:
        """Takes one token of `key`'s bucket if there is one; refusals cost the asker nothing."""
        now = self._clock()
        left = self._now_left(key, now)
        allowed = left >= 1 - _ROUNDING
        self._left[key] = (left - 1 if allowed else left, now)
        self._left.move_to_end(key)
        self._forget_some(now)
        return allowed

    def _now_left(self, key: Hashable, now: float) -> float:
        burst = float(self._rate.burst)
        left, then = self._left.get(key, (burst, now))
        return min(burst, left + max(0.0, now - then) / self._rate.interval)

    def _full(self, key: Hashable, now: float) -> bool:
        return self._now_left(key, now) >= self._rate.burst - _ROUNDING

    def _forget_some(self, now: float) -> None:
        while self._left:
            oldest = next(iter(self._left))
            if len(self._left) <= self._max_keys and not self._full(oldest, now):
                return
            del self._left[oldest]

    def forget(self, key: Hashable) -> None:
        """Forgets one bucket, full or not."""
        self._left.pop(key, None)

    def forget_full(self) -> None:
        """Forgets the buckets that are full again, whoever asks or not."""
        now = self._clock()
        for key in [key for key in self._left if self._full(key, now)]:
            del self._left[key]

    def __len__(self) -> int:
        return len(self._left)
