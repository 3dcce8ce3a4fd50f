"""Ending connections that are dead or abused, and keeping the library from opening its own."""

import contextlib
import logging
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import trio
from libp2p.abc import INetConn
from libp2p.connection_types import ConnectionType
from libp2p.network.auto_connector import AutoConnector
from libp2p.network.swarm import Swarm
from libp2p.stream_muxer.yamux.yamux import FLAG_SYN, TYPE_PING, YAMUX_HEADER_FORMAT, Yamux

from onmeet_node.net.libp2p.muxing import BUFFER_LIMIT
from onmeet_node.net.libp2p.remote_address import network_of
from onmeet_node.process.faults import alone, contained

__all__ = ["BUFFER_LIMIT", "drop", "drop_all", "probe", "prune", "watch"]

log = logging.getLogger(__name__)

_LOOK_EVERY = 1.0
"""Seconds between looks at every connection: microseconds each, so 2,000 are no burden."""
_GOODBYE_LIMIT = 2.0
"""Seconds for an orderly close. With a write stuck in it, the library would wait for ever."""
PRUNE_EVERY = 20.0
NETWORK_BUFFER_LIMIT = 2 * BUFFER_LIMIT
"""Bytes all connections of one network may have waiting unread; past it the fullest one goes."""
IDLE_SECONDS = 60.0
"""For which nothing happened on a connection that is dropped as unused."""
KEEP_WARM = 3
"""Unused connections that stay, so that a lookup need not begin with dialling."""


class NoAutoConnect(AutoConnector):
    """Dials nobody. The library would dial up to half of max_connections peers it heard of."""

    async def maybe_connect(self) -> None:
        """Do nothing."""


async def drop(conn: INetConn) -> None:
    """Close a connection within _GOODBYE_LIMIT even if its peer reads nothing. Never fails."""
    with trio.move_on_after(_GOODBYE_LIMIT) as polite, contextlib.suppress(Exception):
        await conn.close()
    if polite.cancelled_caught and isinstance(conn.muxed_conn, Yamux):
        with contextlib.suppress(Exception):
            await conn.muxed_conn.secured_conn.close()


async def drop_all(conns: Sequence[INetConn]) -> None:
    """Close connections, all at once: the library sleeps 0.2 s over each. Never fails."""
    async with trio.open_nursery() as nursery:
        for conn in conns:
            nursery.start_soon(drop, conn)


async def probe(conns: Sequence[INetConn], seconds: float) -> None:
    """Drop those of these connections whose peer does not answer a ping in time. Never fails."""

    async def ask(conn: INetConn) -> None:
        muxed = conn.muxed_conn
        if not isinstance(muxed, Yamux) or conn.is_closed:
            return
        # NOTE: the library's own loop does the same; whichever event is in place when a pong
        # comes is set, and the other one's wait merely times out.
        answered = muxed._ping_event = trio.Event()
        muxed._ping_id += 1
        header = struct.pack(YAMUX_HEADER_FORMAT, 0, TYPE_PING, FLAG_SYN, 0, muxed._ping_id)

        async def send() -> None:
            with contextlib.suppress(Exception):
                await muxed._write_frame(header)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            with trio.move_on_after(seconds) as limit:
                await answered.wait()
            if limit.cancelled_caught:
                log.info("dropping a peer that no longer answers")
                await drop(conn)  # which also ends a write that hangs

    async with trio.open_nursery() as nursery:
        for conn in conns:
            nursery.start_soon(alone, "libp2p connection", ask, conn)


def relayed(conn: INetConn) -> bool:
    """Whether a connection is a circuit."""
    return conn.muxed_conn.get_connection_type() is ConnectionType.RELAYED


@dataclass(frozen=True)
class _Unanswered:
    ping: int
    since: float


async def watch(network: Swarm, pong_limit: float) -> None:
    """Drop each connection that leaves a ping unanswered for `pong_limit` seconds, or floods us.

    The pings are the ones Yamux sends anyway to measure the round trip. The
    library's own health monitor opens a stream for each of its pings, one
    connection after the other, which takes a bootstrap's whole CPU.
    """
    watching = _Watch(network, pong_limit)
    async with trio.open_nursery() as nursery:
        while True:
            await trio.sleep(_LOOK_EVERY)
            for conn in watching.look():
                nursery.start_soon(drop, conn)
                del conn  # lest the name keep a closed one, and its keys, through the sleep


class _Watch:
    """What `watch` remembers from one look at all connections to the next."""

    def __init__(self, network: Swarm, pong_limit: float) -> None:
        self._network = network
        self._pong_limit = pong_limit
        self._unanswered: dict[INetConn, _Unanswered] = {}

    def look(self) -> list[INetConn]:
        """The connections to be dropped."""
        before, self._unanswered = self._unanswered, {}
        lost: list[INetConn] = []
        buffered: dict[str, dict[INetConn, int]] = {}
        for conn in self._network.get_connections():
            with contained("libp2p connection", then=partial(lost.append, conn)):
                muxed = conn.muxed_conn
                if not isinstance(muxed, Yamux) or conn.is_closed:
                    continue
                unread = sum(map(len, muxed.stream_buffers.values()))
                if unread:
                    buffered.setdefault(network_of(muxed), {})[conn] = unread
                if self._silent(conn, muxed, before.get(conn)):
                    log.info("dropping a peer that went silent")
                    lost.append(conn)
        for of_network in buffered.values():
            fullest = max(of_network, key=lambda conn: of_network[conn])
            if (
                of_network[fullest] > BUFFER_LIMIT
                or sum(of_network.values()) > NETWORK_BUFFER_LIMIT
            ):
                log.warning("dropping a peer that sent %d bytes nobody read", of_network[fullest])
                lost.append(fullest)
        return lost

    def _silent(self, conn: INetConn, muxed: Yamux, waiting: _Unanswered | None) -> bool:
        if not muxed._ping_id or muxed._ping_event.is_set():
            return False
        now = trio.current_time()
        if waiting is None or waiting.ping != muxed._ping_id:
            waiting = _Unanswered(muxed._ping_id, now)
        if now - waiting.since > self._pong_limit:
            return True
        self._unanswered[conn] = waiting
        return False


async def prune(
    network: Swarm, used: Callable[[INetConn], float], needed: Callable[[str], bool]
) -> None:
    """Drop connections that nobody uses, but for KEEP_WARM of them.

    Lookups open connections and leave them open, and each costs a ping and its answer four times a
    minute. `used` says when a stream was last opened on one, `needed` whether a peer's is to stay.
    """
    now = trio.current_time()
    unused = [
        conn
        for conn in network.get_connections()
        if not conn.is_closed and not conn.get_streams() and not needed(_peer(conn))
    ]
    # Those that lookups used lately answer the next one at once.
    unused.sort(key=used, reverse=True)
    await drop_all([c for c in unused[KEEP_WARM:] if now - used(c) > IDLE_SECONDS])


def _peer(conn: INetConn) -> str:
    return str(conn.muxed_conn.peer_id)
