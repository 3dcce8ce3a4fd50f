"""Caps that keep one hostile or silent peer from taking what an honest one needs.

Two kinds: `RateLimit` bounds how often something is asked, `Quota` how much of it is held at once.
Both count per PeerId and per network prefix, because PeerIds cost nothing to make while addresses
do. What they remember is in memory only, is bounded, and goes when it stops mattering (P2): a
bucket that is full again equals no bucket, a counter that is back at zero equals no counter.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs

from onmeet_bootstrap.errors import Exhausted

_MAX_BUCKETS = 16_384
"""About 2 MB. Beyond it the least recently used, hence fullest, bucket is forgotten."""


@attrs.frozen
class AllowedRate:
    """`burst` requests at once, then `per_minute` of them a minute."""

    per_minute: float
    burst: int


class RateLimit:
    """A token bucket for each key; `clock` gives seconds from any origin."""

    def __init__(
        self, rate: AllowedRate, clock: Callable[[], float], *, max_keys: int = _MAX_BUCKETS
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._max_keys = max_keys
        # The time at which each bucket would be full again, least recently used first.
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def allow(self, key: str) -> bool:
        """Takes one token of `key`'s bucket if there is one; refusals cost the asker nothing."""
        now = self._clock()
        interval = 60.0 / self._rate.per_minute
        full_at = max(self._full_at.get(key, now), now)
        if full_at - now > (self._rate.burst - 1) * interval + 1e-9:
            return False
        self._full_at[key] = full_at + interval
        self._full_at.move_to_end(key)
        self._forget(now)
        return True

    def _forget(self, now: float) -> None:
        while self._full_at:
            key, full_at = next(iter(self._full_at.items()))
            if full_at > now and len(self._full_at) <= self._max_keys:
                return
            del self._full_at[key]

    def forget(self, key: str) -> None:
        """Forgets one bucket, full or not."""
        self._full_at.pop(key, None)

    def forget_full(self) -> None:
        """Forgets the buckets that are full again, whoever asks or not."""
        now = self._clock()
        for key in [key for key, full_at in self._full_at.items() if full_at <= now]:
            del self._full_at[key]

    def __len__(self) -> int:
        return len(self._full_at)


@attrs.frozen
class Caps:
    """How much may be held at once: by all, by one network prefix, by one peer."""

    total: int
    per_prefix: int
    per_peer: int


class Quota:
    """Counts what is held, refusing what would pass a cap. `what` names it in the refusal."""

    def __init__(self, caps: Caps, what: str) -> None:
        self._caps = caps
        self._what = what
        self._held = 0
        self._by_prefix: dict[str, int] = {}
        self._by_peer: dict[str, int] = {}

    @property
    def held(self) -> int:
        """How many are held now."""
        return self._held

    def held_by(self, peer: str) -> int:
        """How many of them this peer holds."""
        return self._by_peer.get(peer, 0)

    def take(self, peer: str, prefix: str) -> None:
        """Takes one. Raises `Exhausted`, having changed nothing, where a cap is reached."""
        if self._held >= self._caps.total:
            raise Exhausted(f"All {self._what} are in use; try again later or another bootstrap.")
        if self._by_prefix.get(prefix, 0) >= self._caps.per_prefix:
            raise Exhausted(f"Your network already holds its share of {self._what}.")
        if self._by_peer.get(peer, 0) >= self._caps.per_peer:
            raise Exhausted(f"You already hold your share of {self._what}.")
        self._held += 1
        self._by_prefix[prefix] = self._by_prefix.get(prefix, 0) + 1
        self._by_peer[peer] = self._by_peer.get(peer, 0) + 1

    def give_back(self, peer: str, prefix: str) -> None:
        """Returns what `take` took with the same arguments."""
        self._held -= 1
        for counts, key in ((self._by_prefix, prefix), (self._by_peer, peer)):
            counts[key] -= 1
            if not counts[key]:
                del counts[key]

    @contextmanager
    def holding(self, peer: str, prefix: str) -> Iterator[None]:
        """Holds one for the length of the block."""
        self.take(peer, prefix)
        try:
            yield
        finally:
            self.give_back(peer, prefix)
