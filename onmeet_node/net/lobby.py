"""Where those wait who open a sealed channel and are not in: bounded, and silent to the refused."""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from onmeet_node.wire.errors import RemoteProtocolError

T = TypeVar("T")

log = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 10.0
"""From the opening of the stream: five round trips on the worst of links."""
MAX_HALF_OPEN = 64
"""Handshakes in progress; the oldest gives way, as an honest one takes one round trip."""
MAX_HALF_OPEN_PER_PEER = 4
MAX_SILENCED = 256
"""Refused streams kept open until their time is up. Each is a timer; the oldest gives way."""


class _Room:
    """Cancel scopes of those inside; when it is full the oldest is shown out."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._inside: OrderedDict[trio.CancelScope, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._inside)

    def enter(self, deadline: float) -> trio.CancelScope:
        if len(self._inside) >= self._limit:
            oldest, _ = self._inside.popitem(last=False)
            oldest.cancel()
        scope = trio.CancelScope(deadline=deadline)
        self._inside[scope] = None
        return scope

    def leave(self, scope: trio.CancelScope) -> None:
        self._inside.pop(scope, None)


class Lobby:
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
        self._half_open = _Room(half_open)
        self._silenced = _Room(silenced)

    @property
    def half_open(self) -> int:
        """Handshakes in progress."""
        return len(self._half_open)

    @property
    def silenced(self) -> int:
        """Refused streams that are kept open."""
        return len(self._silenced)

    async def receive(self, peer: str, handshake: Callable[[], Awaitable[T]]) -> T | None:
        """What `handshake` returns; None if it fails, and then only when the time is up.

        A peer that is blocked, one that asks for somebody else, and one that sends garbage all
        see the same: nothing, and the end of the stream after the same time (P6). Only where
        there is no room left is the answer None at once, whoever asks.
        """
        deadline = trio.current_time() + self.seconds
        if self._peers[peer] >= self._per_peer:
            return None
        self._peers[peer] += 1
        scope = self._half_open.enter(deadline)
        result: T | None = None
        refused = False
        try:
            with scope:
                result = await handshake()
        except (RemoteProtocolError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            log.debug("a channel was not opened: %s", error)
            refused = True
        finally:
            self._half_open.leave(scope)
            self._peers[peer] -= 1
            if not self._peers[peer]:
                del self._peers[peer]
        if refused:
            await self._be_silent(deadline)
        return result

    async def _be_silent(self, deadline: float) -> None:
        scope = self._silenced.enter(deadline)
        try:
            with scope:
                await trio.sleep_forever()
        finally:
            self._silenced.leave(scope)
