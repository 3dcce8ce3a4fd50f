"""Caps that keep one hostile or silent peer from taking what an honest one needs.

`Quota` bounds how much of something is held at once, as `net.rates.RateLimit` does how often it is
asked. Both count per PeerId and per network prefix, because PeerIds cost nothing to make while
addresses do. What is remembered is in memory only, is bounded, and goes when it stops mattering
(P2): a counter that is back at zero equals no counter.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from onmeet_bootstrap.errors import Exhausted


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
