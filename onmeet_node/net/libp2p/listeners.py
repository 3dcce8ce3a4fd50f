"""Where a host lets others in by themselves: closed and opened again while it runs."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import trio
from libp2p.network.swarm import Swarm
from multiaddr import Multiaddr

from onmeet_node.net.libp2p.multiaddrs import parse

log = logging.getLogger(__name__)


class Listening:
    """The listeners of one host."""

    def __init__(self, network: Swarm, wanted: Sequence[str]) -> None:
        """`wanted`: multiaddrs, port 0 takes a free one; it is kept when they are opened again."""
        self._network = network
        self._wanted = [parse(address) for address in wanted]
        self._before: list[Multiaddr] = []
        self._lock = trio.Lock()

    async def open(self) -> None:
        """Listens, where it does not yet. What cannot be had just now is left out."""
        async with self._lock:
            if self._network.listeners or not self._wanted:
                return
            if not self._before or not await self._network.listen(*self._before):
                await self._network.listen(*self._wanted)
            if not self._network.listeners:
                log.warning("This node's ports cannot be opened; others reach it through relays.")

    async def close(self) -> None:
        """Listens nowhere. Connections that came in by these listeners end with them."""
        async with self._lock:
            bound = [a for each in self._network.listeners.values() for a in each.get_addrs()]
            self._before = bound or self._before
            while self._network.listeners:
                _, listener = self._network.listeners.popitem()
                try:
                    await listener.close()
                except Exception as error:  # noqa: BLE001 - the library raises anything
                    log.warning("a listener did not close well: %s", type(error).__name__)
