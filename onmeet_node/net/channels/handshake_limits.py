"""Where those wait who open a sealed channel and are not in: bounded, and silent to the refused."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from onmeet_node.net.libp2p.shares import Shares
from onmeet_node.process.faults import contained
from onmeet_node.protocol.errors import RemoteProtocolError

T = TypeVar("T")

log = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 10.0
"""From the opening of the stream: five round trips on the worst of links."""
MAX_HALF_OPEN = 64
"""Handshakes in progress. Past it the oldest of the network that has the most of them gives way:
an honest one takes one round trip, and PeerIds cost nothing, but addresses do."""
MAX_HALF_OPEN_PER_PEER = 4
MAX_SILENCED = 256
"""Refused streams kept open until their time is up, each a timer; the same one gives way."""


_ORDINARY = (RemoteProtocolError, trio.BrokenResourceError, trio.ClosedResourceError)


class HandshakeLimits:
    """Runs incoming handshakes. `seconds` is for each, from its beginning to its end."""

    def __init__(
        self,
        *,
        seconds: float = HANDSHAKE_SECONDS,
        half_open: int = MAX_HALF_OPEN,
        per_peer: int = MAX_HALF_OPEN_PER_PEER,
        silenced: int = MAX_SILENCED,
    ) -> None:
        self.seconds = seconds
        self._per_peer = per_peer
        self._peers: Counter[str] = Counter()
        self._half_open = Shares[trio.CancelScope](half_open)
        self._silenced = Shares[trio.CancelScope](silenced)

    @property
    def half_open(self) -> int:
        """Handshakes in progress."""
        return len(self._half_open)

    @property
    def silenced(self) -> int:
        """Refused streams that are kept open."""
        return len(self._silenced)

    async def receive(
        self, peer: str, network: str, handshake: Callable[[], Awaitable[T]]
    ) -> T | None:
        """What `handshake` returns; None if it fails, and then only when the time is up.

        `network`: whose places it takes (`remote_address.network_of`).

        A peer that is blocked, one that asks for somebody else, and one that sends garbage all
        see the same: nothing, and the end of the stream after the same time (P6). Only where
        there is no room left is the answer None at once, whoever asks.
        """
        deadline = trio.current_time() + self.seconds
        if self._peers[peer] >= self._per_peer:
            return None
        self._peers[peer] += 1
        scope = _let_in(self._half_open, network, deadline)
        result: T | None = None
        refused = False

        def refuse() -> None:
            nonlocal refused
            refused = True

        try:
            # What fails on our side must look like every other refusal, too.
            with contained("handshake", then=refuse), scope:
                try:
                    result = await handshake()
                except _ORDINARY as error:
                    log.debug("a channel was not opened: %s", error)
                    refused = True
        finally:
            self._half_open.give_back(scope)
            self._peers[peer] -= 1
            if not self._peers[peer]:
                del self._peers[peer]
        if refused:
            await self._be_silent(network, deadline)
        return result

    async def _be_silent(self, network: str, deadline: float) -> None:
        scope = _let_in(self._silenced, network, deadline)
        try:
            with scope:
                await trio.sleep_forever()
        finally:
            self._silenced.give_back(scope)


def _let_in(places: Shares[trio.CancelScope], network: str, deadline: float) -> trio.CancelScope:
    scope = trio.CancelScope(deadline=deadline)
    out = places.take(network, scope)
    if out is not None:
        out.cancel()
    return scope
