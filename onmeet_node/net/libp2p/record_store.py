"""The records that a DHT server keeps for others: bounded, and no network crowds out the rest."""

from __future__ import annotations

from collections import OrderedDict
from contextvars import ContextVar
from typing import Any

MAX_RECORDS = 50_000
"""About 140 MB. The library bounds them too, but then looks at each of them whenever one is put,
which takes 0.4 s: three questions a second would stop a server."""
NETWORK_SHARE = MAX_RECORDS // 8
"""Of one IPv4 address or IPv6 /56. A node keeps a dozen records alive."""

asking: ContextVar[str] = ContextVar("asking", default="")
"""Prefix of the network whose stream this task serves; empty for what we do ourselves."""


class RecordStore(OrderedDict[bytes, Any]):
    """The library's dict of records, the longest kept first.

    A full one takes its place from the network that has most: whoever fills it pushes out their
    own.

    A record counts for the network that brought it first: whoever brings it again, as anybody who
    read it can, makes it newer and not theirs.
    """

    def __init__(self, *, total: int = MAX_RECORDS, share: int = NETWORK_SHARE) -> None:
        super().__init__()
        self._total = total
        self._share = share
        self._network: dict[bytes, str] = {}
        self._of: dict[str, OrderedDict[bytes, None]] = {}
        self._by_count: dict[int, OrderedDict[str, None]] = {}
        """The networks that have so many, the first that came to it first."""
        self._most = 0

    def __setitem__(self, key: bytes, value: Any) -> None:
        network = self._network.get(key, asking.get())
        if key in self:
            del self[key]
        theirs = self._of.get(network)
        if theirs is not None and len(theirs) >= self._share:
            del self[next(iter(theirs))]
        elif len(self) >= self._total:
            fullest = next(iter(self._by_count[self._most]))
            del self[next(iter(self._of[fullest]))]
        super().__setitem__(key, value)
        self._network[key] = network
        theirs = self._of.setdefault(network, OrderedDict())
        theirs[key] = None
        self._recount(network, len(theirs) - 1, len(theirs))

    def _recount(self, network: str, before: int, now: int) -> None:
        if before:
            del self._by_count[before][network]
            if not self._by_count[before]:
                del self._by_count[before]
        if now:
            self._by_count.setdefault(now, OrderedDict())[network] = None
        self._most = max(self._most, now)
        while self._most and self._most not in self._by_count:
            self._most -= 1

    def __delitem__(self, key: bytes) -> None:
        super().__delitem__(key)
        network = self._network.pop(key)
        theirs = self._of[network]
        del theirs[key]
        self._recount(network, len(theirs) + 1, len(theirs))
        if not theirs:
            del self._of[network]
