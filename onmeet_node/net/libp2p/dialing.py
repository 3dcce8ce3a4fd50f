"""Reaching a peer over whichever of its addresses answers first."""

import contextlib
from collections.abc import Awaitable, Callable, Sequence

import trio
from libp2p.abc import INetConn
from libp2p.network.exceptions import SwarmException
from libp2p.network.swarm import Swarm
from libp2p.peer.id import ID
from libp2p.peer.peerstore import PeerStoreError

from onmeet_node.net.errors import NetError, PeerUnreachable
from onmeet_node.net.exposure import Exposure
from onmeet_node.net.libp2p.health import drop, relayed
from onmeet_node.net.libp2p.library import reason
from onmeet_node.net.libp2p.library_calls import LibraryCalls
from onmeet_node.net.libp2p.multiaddrs import circuit, parse
from onmeet_node.net.libp2p.patches import Remedies

STAGGER = 0.03
"""Seconds between the starts of two dials of one race: enough that a LAN address wins alone."""
CIRCUIT_DELAY = 0.2
"""Head start in seconds of direct addresses over relayed ones, which cost a relay bandwidth."""
DIAL_LIMIT = 15.0
"""Seconds one address may take; TCP alone would try for two minutes."""
LOOKUP_DIAL_LIMIT = 2.0
"""Seconds a lookup waits for the dial of one peer: it has others to ask. A firewall that swallows
what it forbids would else hold up each lookup for DIAL_LIMIT."""
SKIP_FAILED = 300.0
"""Seconds for which lookups leave a peer alone that could not be reached; `connect` does not, nor
after a change of network."""
MAX_FAILED = 10_000
MAX_ADDRESSES = 16
"""Addresses tried of one peer: records come from others, and could list a victim's ports."""


class Dialer:
    """Dials for us and, in its place, for the library.

    The library's own `dial_peer` tries one TCP and one WebSocket address of a
    peer, waits 250 ms after success, and bans a peer for 60 s when both fail.
    """

    def __init__(
        self,
        network: Swarm,
        calls: LibraryCalls,
        remedies: Remedies,
        exposure: Exposure | None = None,
    ) -> None:
        self._exposure = exposure
        self.circuit_dialer: Callable[[str], Awaitable[None]] | None = None
        self._network = network
        self._calls = calls
        self._remedies = remedies
        self._racing: dict[str, trio.Event] = {}
        self._failed: dict[str, float] = {}
        self._improving: set[str] = set()
        if remedies.own_dialer:
            network.dial_peer = self._dial_for_library  # type: ignore[method-assign]

    def connections(self, peer: str) -> list[INetConn]:
        """The open connections to `peer`."""
        known = self._network.get_connections(ID.from_string(peer))
        return [conn for conn in known if not conn.is_closed]

    async def _dial_for_library(self, peer_id: ID) -> list[INetConn]:
        """What lookups call for peers that answers name: skips those that failed a moment ago."""
        peer = str(peer_id)
        if not self.connections(peer):
            if trio.current_time() < self._failed.get(peer, 0):
                raise SwarmException(f"{peer} could not be reached a moment ago")
            try:
                known = self._network.peerstore.addrs(peer_id)
            except PeerStoreError as error:
                raise SwarmException(f"no address of {peer} is known") from error
            ways = [str(a) for a in known if not circuit(str(a))]
            try:
                with trio.fail_after(LOOKUP_DIAL_LIMIT):
                    await self.connect(peer, ways)
            except (NetError, trio.TooSlowError) as error:
                # NOTE: the race goes on, so a peer that is merely slow is there the next time.
                self._remember_failure(peer)
                raise SwarmException(f"{peer} could not be reached: {error}") from error
        return self.connections(peer)

    def _remember_failure(self, peer: str) -> None:
        now = trio.current_time()
        if len(self._failed) > MAX_FAILED:
            self._failed = {p: until for p, until in self._failed.items() if until > now}
        if len(self._failed) <= MAX_FAILED:
            self._failed[peer] = now + SKIP_FAILED

    def forget_failures(self) -> None:
        """Let lookups try everybody again: the network changed."""
        self._failed.clear()

    async def connect(self, peer: str, addresses: Sequence[str]) -> None:
        """Return once a connection to `peer` is open. Raises PeerUnreachable."""
        while not self.connections(peer):
            racing = self._racing.get(peer)
            if racing is None:
                await self._calls.call(self._race, peer, addresses)
                return
            await racing.wait()
        seen = self._exposure is None or self._exposure.sees_us(peer)
        if seen and self.only_relayed(peer) and peer not in self._improving:
            direct = [a for a in dict.fromkeys(addresses) if not circuit(a)][:MAX_ADDRESSES]
            self._calls.spawn(self._improve, peer, direct)

    def only_relayed(self, peer: str) -> bool:
        """Whether `peer` is connected, and through relays alone."""
        conns = self.connections(peer)
        return bool(conns) and all(map(relayed, conns))

    async def _improve(self, peer: str, direct: Sequence[str]) -> None:
        """Look for a direct connection beside the relayed one, one address after the other."""
        if peer in self._improving:
            return
        self._improving.add(peer)
        try:
            for address in direct:
                with contextlib.suppress(Exception), trio.move_on_after(DIAL_LIMIT):
                    await self.dial(peer, address)
                    return
        finally:
            self._improving.discard(peer)

    async def _race(self, peer: str, addresses: Sequence[str]) -> None:
        if self._remedies.forget_failed_dials:
            self._failed.pop(peer, None)
        if (racing := self._racing.get(peer)) is not None:
            # Another caller's race began while this one was being started.
            await racing.wait()
            return await self.connect(peer, addresses)
        over = self._racing[peer] = trio.Event()
        try:
            await _Race(self, peer, addresses, self._calls).run()
        finally:
            del self._racing[peer]
            over.set()

    async def dial(self, peer: str, address: str) -> INetConn | None:
        """Open one connection; None if it is a circuit, which the relay client registers."""
        if not circuit(address):
            return await self._dial_directly(peer, address)
        if self.circuit_dialer is None:
            raise NetError("This address needs a relay, and this host uses none.")
        await self.circuit_dialer(address)
        return None

    async def _dial_directly(self, peer: str, address: str) -> INetConn:
        """Every direct dial of this host, the library's too, passes here: see `Exposure`."""
        if self._exposure is not None:
            address = await self._exposure.dialable(peer, address)
        conn = await self._network.dial_addr(parse(address), ID.from_string(peer))
        if self._exposure is not None:
            self._exposure.reached(peer, address)
        return conn


class _Race:
    def __init__(
        self, dialer: Dialer, peer: str, addresses: Sequence[str], calls: LibraryCalls
    ) -> None:
        unique = list(dict.fromkeys(addresses))[:MAX_ADDRESSES]
        self._direct = [address for address in unique if not circuit(address)]
        self._relayed = [address for address in unique if circuit(address)]
        self._dialer = dialer
        self._peer = peer
        self._calls = calls
        self._reasons: list[str] = []
        self._left = len(unique)
        self._direct_left = len(self._direct)
        self._direct_failed = trio.Event()
        self._over = trio.Event()
        self._won = False
        self._won_relayed = False

    async def run(self) -> None:
        if not self._left:
            raise PeerUnreachable(self._peer, ["no address of it is known"])
        for place, address in enumerate(self._direct):
            self._calls.spawn(self._attempt, address, place * STAGGER)
        with trio.move_on_after(CIRCUIT_DELAY if self._direct else 0):
            await self._direct_failed.wait()
        for place, address in enumerate(self._relayed):
            self._calls.spawn(self._attempt, address, place * STAGGER)
        await self._over.wait()
        if not self._won:
            raise PeerUnreachable(self._peer, self._reasons)

    async def _attempt(self, address: str, delay: float) -> None:
        try:
            await trio.sleep(delay)
            if not self._won or (self._won_relayed and not circuit(address)):
                with trio.fail_after(DIAL_LIMIT):
                    conn = await self._dialer.dial(self._peer, address)
                await self._arrived(conn)
        except trio.TooSlowError:
            self._reasons.append(f"{address}: no answer within {DIAL_LIMIT:.0f} s")
        except Exception as error:  # noqa: BLE001 - one address of several
            self._reasons.append(f"{address}: {reason(error)}")
        finally:
            self._left -= 1
            self._direct_left -= not circuit(address)
            if not self._direct_left:
                self._direct_failed.set()
            if self._won or not self._left:
                self._over.set()

    async def _arrived(self, conn: INetConn | None) -> None:
        if not self._won:
            self._won = True
            self._won_relayed = conn is None
            self._over.set()
        elif self._won_relayed and conn is not None:
            # The better way took longer: it is kept, and the host retires the relayed one.
            self._won_relayed = False
        elif conn is not None:
            # NOTE: a loser is closed, not cancelled: cancelling the library between
            # the handshake and its own bookkeeping leaves the connection half known.
            await drop(conn)
