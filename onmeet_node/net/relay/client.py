"""Being reached, and reaching others, through circuit relays.

A node behind a NAT keeps a reservation at a relay: an open connection over which the relay passes
on who wants to talk. The circuit is then a libp2p connection like any other, sealed end to end, so
the relay sees neither content nor identities, only two PeerIds that live as long as their nodes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import attrs
import trio
from libp2p.connection_types import ConnectionType
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID

from onmeet_node.net.backoff import Backoff
from onmeet_node.net.errors import (
    BadMultiaddr,
    CircuitProtocolError,
    CircuitRefused,
    NetError,
    PeerUnreachable,
    RelayUnavailable,
    ReservationRefused,
    StreamRefused,
)
from onmeet_node.net.libp2p.multiaddrs import circuit as is_circuit
from onmeet_node.net.libp2p.multiaddrs import parse, peer_of
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.net.relay import circuit
from onmeet_node.net.relay.circuit import HOP, STOP, CircuitPipe, HopMessage, Status, StopMessage
from onmeet_node.process.faults import contained

ANSWER_LIMIT = 10.0
"""Seconds a relay has to answer a request, the connection to it included."""
CONNECT_LIMIT = 15.0
"""Seconds until a circuit answers: the relay asks the other side meanwhile."""
HANDSHAKE_LIMIT = 10.0
"""Seconds for the handshakes of libp2p inside a new circuit."""
RENEW_AT_MOST = 600.0
"""Seconds between renewals at most, whatever the relay grants. With a relay's usual hour this
outlives clocks that disagree by fifty minutes, since the grant is an absolute time."""
RENEW_AT_LEAST = 1.0
"""Seconds between renewals, whatever the relay says."""
AFTER_FAULT = 60.0
ASSUMED_LIFETIME = 120.0
"""Seconds a grant is taken to last if, by our clock, it has already ended."""
MAX_CIRCUITS = 64
"""Circuits that one relay may bring us at once."""
MAX_ADDRESSES = 4
"""Circuit addresses per relay: they must fit into a DHT record."""

_REFUSALS: dict[int, str] = {
    Status.RESOURCE_LIMIT_EXCEEDED: "too many circuits are open, try again later",
    Status.PERMISSION_DENIED: "it does not allow this",
    Status.CONNECTION_FAILED: "the other side did not answer it",
    Status.NO_RESERVATION: "the other side is not, or no longer, known there",
}


@attrs.frozen
class Reservation:
    """A relay's promise to pass circuits on to us."""

    relay: str
    """Its PeerId."""
    lifetime: float
    """Seconds from its arrival; renewing makes it whole again."""
    addresses: tuple[str, ...]
    """Circuit addresses by which others reach us: for DHT records, not for the log."""


def through(relay_address: str, peer: str) -> str:
    """The circuit address of `peer` at the relay that `relay_address` (with `/p2p/…`) names."""
    return f"{relay_address}/p2p-circuit/p2p/{peer}"


class RelayClient:
    """Reservations at relays, and circuits over them both ways, for one host.

    Making one installs it: the host then dials circuit addresses. It accepts circuits from relays
    that it holds a reservation with, and from no other.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._reservations: dict[str, Reservation] = {}
        self._relayed: dict[str, int] = {}
        self._on_change: list[Callable[[], None]] = []
        host.circuit_dialer = self.dial
        host.handle(STOP, self._accept, limit=MAX_CIRCUITS)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Our circuit addresses at all relays that hold a reservation for us now."""
        return tuple(a for held in self._reservations.values() for a in held.addresses)

    @property
    def relays(self) -> tuple[str, ...]:
        """PeerIds of the relays that hold a reservation for us now."""
        return tuple(self._reservations)

    def relayed(self, peer: str) -> bool:
        """Whether a circuit to `peer` is open, in whichever direction it was made."""
        return peer in self._relayed

    def on_change(self, notify: Callable[[], None]) -> Callable[[], None]:
        """Call `notify()` when `addresses` changed. Returns the way to stop it."""
        self._on_change.append(notify)
        return lambda: self._on_change.remove(notify)

    # ---- being reached ---------------------------------------------------------------------

    async def reserve(self, relay_addresses: Sequence[str]) -> Reservation:
        """Make or renew a reservation at the relay that all addresses name.

        It lasts as long as the relay says and the connection to it stays open. Raises
        RelayUnavailable or ReservationRefused.
        """
        try:
            with trio.fail_after(ANSWER_LIMIT):
                relay = await self._host.connect(relay_addresses)
                answer = await self._ask(relay, HopMessage(type=HopMessage.RESERVE))
        except trio.TooSlowError:
            raise RelayUnavailable(f"nothing within {ANSWER_LIMIT:.0f} seconds") from None
        except PeerUnreachable as error:
            raise RelayUnavailable("no address of it works") from error
        except StreamRefused as error:
            why = "it is no relay" if error.unknown else "it opened no stream"
            raise RelayUnavailable(why) from error
        status = circuit.status_of(answer)
        if status != Status.OK or not answer.HasField("reservation"):
            raise ReservationRefused(status)
        lifetime = answer.reservation.expire - time.time()
        held = Reservation(
            relay=relay,
            lifetime=lifetime if lifetime > 0 else ASSUMED_LIFETIME,
            addresses=self._circuit_addresses(relay, relay_addresses, answer.reservation.addrs),
        )
        if self._host.connected(relay):
            self._set(relay, held)
        return held

    async def keep(self, relay_addresses: Sequence[str]) -> None:
        """Hold a reservation at one relay until cancelled.

        Renews it at half its life, makes it anew as soon as the connection to the relay is lost,
        and backs off with jitter while the relay is away or refuses.
        """
        relay = peer_of(relay_addresses)
        try:
            while True:
                with contained("relay", then=partial(self._set, relay, None)):
                    await self._keep(relay, relay_addresses)
                await trio.sleep(AFTER_FAULT)
        finally:
            self._set(relay, None)

    async def _keep(self, relay: str, relay_addresses: Sequence[str]) -> None:
        backoff = Backoff()
        while True:
            try:
                held = await self.reserve(relay_addresses)
            except (NetError, trio.BrokenResourceError):
                if not self._host.connected(relay):
                    self._set(relay, None)
                await trio.sleep(backoff.next())
                continue
            backoff.reset()
            with trio.move_on_after(_renewal(held.lifetime)):
                await self._host.wait_disconnected(relay)
                self._set(relay, None)
                # Everybody whom a restarting relay lost comes back at once: spread them.
                await trio.sleep(backoff.first())

    def _circuit_addresses(
        self, relay: str, known: Sequence[str], told: Sequence[bytes]
    ) -> tuple[str, ...]:
        """By the ways that work for us first, then by those that the relay tells of itself."""
        found = {address: None for address in known if not is_circuit(address)}
        for raw in told:
            try:
                address = str(parse(bytes(raw)))  # type: ignore[arg-type]
                if peer_of([address]) == relay and not is_circuit(address):
                    found[address] = None
            except BadMultiaddr:
                continue
        return tuple(through(a, self._host.peer_id) for a in list(found)[:MAX_ADDRESSES])

    def _set(self, relay: str, held: Reservation | None) -> None:
        before = self.addresses
        if held is None:
            self._reservations.pop(relay, None)
        else:
            self._reservations[relay] = held
        if self.addresses != before:
            for notify in list(self._on_change):
                with contained("relay"):
                    notify()

    async def _accept(self, stream: Stream) -> None:
        with trio.fail_after(ANSWER_LIMIT):
            request = await circuit.receive_message(stream, StopMessage)
            peer = circuit.peer_named(request)
            if request.type != StopMessage.CONNECT or peer is None:
                refusal = Status.MALFORMED_MESSAGE
            elif stream.peer_id not in self._reservations or peer == self._host.peer_id:
                refusal = Status.PERMISSION_DENIED
            else:
                refusal = None
            await circuit.send_message(stream, circuit.stop_answer(refusal or Status.OK))
        if refusal is not None or peer is None:
            return
        address = f"/p2p/{stream.peer_id}/p2p-circuit/p2p/{peer}"
        pipe = CircuitPipe(stream, stream.peer_id)
        raw = RawConnection(pipe, False, ConnectionType.RELAYED, [parse(address)])
        with self._counted(peer):
            try:
                with trio.fail_after(HANDSHAKE_LIMIT):
                    muxed = await self._host.call(
                        self._host.raw.upgrade_inbound_connection, raw, parse(address)
                    )
            except (trio.TooSlowError, NetError):
                raise
            except Exception as error:
                raise CircuitProtocolError("no connection came of the circuit") from error
            if str(muxed.peer_id) != peer:
                # The relay named one peer and another one proved itself. The handshake counts,
                # but a relay that lies about this is not to be worked with.
                await self._host.call(muxed.close)
                raise CircuitProtocolError("it named another peer than the one it connected")
            # Returning would end the stream, which now is the connection.
            await pipe.closed.wait()

    @contextmanager
    def _counted(self, peer: str) -> Iterator[None]:
        self._relayed[peer] = self._relayed.get(peer, 0) + 1
        try:
            yield
        finally:
            self._relayed[peer] -= 1
            if not self._relayed[peer]:
                del self._relayed[peer]

    # ---- reaching others -------------------------------------------------------------------

    async def dial(self, address: str) -> None:
        """Connect to the peer of one circuit address, through its relay.

        Must be run by `Host.connect`, which lets library calls finish. Raises BadAddress,
        PeerUnreachable (the relay), RelayUnavailable or CircuitRefused.
        """
        relay_address, _, target = address.partition("/p2p-circuit")
        peer = peer_of([target])
        relay = await self._host.connect([relay_address])
        try:
            with trio.fail_after(CONNECT_LIMIT):
                stream = await self._host.open_stream(relay, HOP)
        except trio.TooSlowError:
            raise RelayUnavailable(f"nothing within {CONNECT_LIMIT:.0f} seconds") from None
        try:
            with trio.fail_after(CONNECT_LIMIT):
                request = HopMessage(type=HopMessage.CONNECT, peer=circuit.peer_field(peer))
                await circuit.send_message(stream, request)
                answer = await circuit.receive_message(stream, HopMessage)
            if answer.type != HopMessage.STATUS:
                raise CircuitProtocolError("its answer is no answer")
            status = circuit.status_of(answer)
            if status != Status.OK:
                raise CircuitRefused(status, _REFUSALS.get(status, "it gives no reason we know"))
            pipe = CircuitPipe(stream, relay)
            raw = RawConnection(pipe, True, ConnectionType.RELAYED, [parse(address)])
            # NOTE: cancelling this harms the circuit alone, which is aborted below anyway; the
            # connection to the relay is safe, because our Stream finishes what it began.
            with trio.fail_after(HANDSHAKE_LIMIT):
                await self._host.raw.upgrade_outbound_connection(raw, ID.from_string(peer))
        except trio.TooSlowError:
            stream.abort()
            raise RelayUnavailable("the circuit stayed silent") from None
        except trio.BrokenResourceError:
            stream.abort()
            raise RelayUnavailable("it closed the circuit") from None
        except BaseException:
            stream.abort()
            raise
        self._host.spawn(self._count_until_closed, peer, pipe)

    async def _count_until_closed(self, peer: str, pipe: CircuitPipe) -> None:
        with self._counted(peer):
            await pipe.closed.wait()

    async def _ask(self, relay: str, request: HopMessage) -> HopMessage:
        stream = await self._host.open_stream(relay, HOP)
        try:
            await circuit.send_message(stream, request)
            answer = await circuit.receive_message(stream, HopMessage)
        except trio.BrokenResourceError:
            raise RelayUnavailable("it closed the request") from None
        finally:
            stream.abort()
        if answer.type != HopMessage.STATUS:
            raise CircuitProtocolError("its answer is no answer")
        return answer


def _renewal(lifetime: float) -> float:
    return max(RENEW_AT_LEAST, min(lifetime / 2, RENEW_AT_MOST)) * random.uniform(0.8, 1.0)  # noqa: S311 - no secret
