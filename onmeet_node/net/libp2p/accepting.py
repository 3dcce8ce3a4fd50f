"""Letting connections in: so many, so many of one network, and gone when they are closed."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import trio
from libp2p.io.abc import ReadWriteCloser
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.swarm import Swarm
from multiaddr import Multiaddr

from onmeet_node.net.libp2p.remote_address import prefix_of, remote_ip
from onmeet_node.net.libp2p.shares import Shares

log = logging.getLogger(__name__)

HALF_OPEN_PER_NETWORK = 128
"""Handshakes under way with one network. An honest one takes a second at most, so this lets in a
hundred nodes a second, while who never goes on holds none of the places of others. All networks
together have half of all places for it; past that the one with the most gives way (`Shares`)."""


class Acceptor:
    """Takes in what listeners accept, in place of the library.

    The library keeps the place, the task and the memory of an incoming connection for as long as
    it runs, so that after `max_connections` of them, ever, nobody is let in again.
    """

    def __init__(self, network: Swarm, *, total: int, per_network: int) -> None:
        self._network = network
        self._total = total
        self._per_network = per_network
        self._open: Counter[str] = Counter()
        self._half_open = Shares[trio.CancelScope](max(1, total // 2))

    async def accept(self, read_write_closer: ReadWriteCloser, maddr: Multiaddr) -> None:
        """Serves one connection until it is closed; whoever called this then drops its socket."""
        prefix = prefix_of(remote_ip(read_write_closer))
        if (
            self._open.total() >= self._total
            or self._open[prefix] >= self._per_network
            or self._half_open.held_by(prefix) >= HALF_OPEN_PER_NETWORK
        ):
            return
        with _counted(self._open, prefix):
            muxed = await self._within_its_share(prefix, read_write_closer, maddr)
            if muxed is not None:
                await muxed.event_closed.wait()

    async def _within_its_share(
        self, prefix: str, read_write_closer: ReadWriteCloser, maddr: Multiaddr
    ) -> Any:
        scope = trio.CancelScope()
        out = self._half_open.take(prefix, scope)
        if out is not None:
            out.cancel()
        try:
            with scope:
                return await self._upgraded(read_write_closer, maddr)
        finally:
            self._half_open.give_back(scope)
        return None

    async def _upgraded(self, raw: ReadWriteCloser, listened_at: Multiaddr) -> Any:
        if not await self._allowed(remote_ip(raw)):
            return None
        connection = RawConnection(raw, False)
        try:
            return await self._network.upgrade_inbound_raw_conn(connection, listened_at)
        except Exception as error:  # noqa: BLE001 - the library raises anything
            log.debug("an incoming connection failed: %s", type(error).__name__)
            with contextlib.suppress(Exception):
                await connection.close()
            return None

    async def _allowed(self, ip: str | None) -> bool:
        if ip is None:
            return True
        # NOTE: the library's own question misses IPv6, which it takes for no address.
        remote = Multiaddr(f"/ip{6 if ':' in ip else 4}/{ip.partition('%')[0]}/tcp/0")
        return bool(await self._network.connection_gate.is_allowed(remote))


@contextmanager
def _counted(counts: Counter[str], key: str) -> Iterator[None]:
    counts[key] += 1
    try:
        yield
    finally:
        counts[key] -= 1
        if not counts[key]:
            del counts[key]
