"""Places that run out: whoever's network holds the most gives way, not whoever came first."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class Shares(Generic[T]):
    """At most `limit` of something held, counted by network.

    When all places are taken, the oldest of the network that holds the most makes room. So one
    network, whatever it opens, leaves every other its places: it pushes out its own.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: dict[str, OrderedDict[T, None]] = {}
        self._networks: dict[T, str] = {}

    def __len__(self) -> int:
        return len(self._networks)

    def held_by(self, network: str) -> int:
        """How many this network holds."""
        return len(self._held.get(network, ()))

    def take(self, network: str, item: T) -> T | None:
        """Holds `item`; returns the one that gives way for it, which is not held any more."""
        out: T | None = None
        if len(self._networks) >= self._limit:
            # Of those that hold as many, the newcomer's own, then the one that came first.
            fullest = max(self._held, key=lambda each: (len(self._held[each]), each == network))
            out = next(iter(self._held[fullest]))
            self.give_back(out)
        self._held.setdefault(network, OrderedDict())[item] = None
        self._networks[item] = network
        return out

    def give_back(self, item: T) -> None:
        """It is not held any more, if it was."""
        network = self._networks.pop(item, None)
        if network is not None:
            of_network = self._held[network]
            del of_network[item]
            if not of_network:
                del self._held[network]
