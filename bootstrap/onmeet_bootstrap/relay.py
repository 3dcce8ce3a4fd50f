"""The hop of circuit relay v2: passes circuits on to nodes that cannot be dialed.

Written anew rather than on py-libp2p's `CircuitV2Protocol`, whose circuits to one target end each
other, which takes the reserving PeerId from the message instead of the connection, forgets its time
cap while a circuit is idle, and ends both directions when one ends. Source: libp2p specs,
relay/circuit-v2.md. Differences from it: no vouchers (optional there; nobody asks for them), and
one request a stream.

A reservation is remembered until it lapses or its node's connection is gone, a circuit until either
end is; neither is ever written anywhere (P2).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import attrs
import trio

from onmeet_bootstrap.errors import Exhausted
from onmeet_bootstrap.limits import Caps, Quota
from onmeet_node.net.errors import CircuitProtocolError, NetError
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.net.relay import circuit
from onmeet_node.net.relay.circuit import HOP, STOP, HopMessage, Limit, Status, StopMessage
from onmeet_node.process.faults import contained

REQUEST_LIMIT = 10.0
"""Seconds a peer has to say what it wants; one that says nothing holds a stream no longer."""
SPARE_STREAMS = 4
"""Requests a peer may have under way besides its open circuits, such as renewing its place."""
CHUNK = 32_768
"""Bytes passed on at a time; what a circuit holds in memory is at most this each way, besides
libp2p's windows."""
_ADDRESSES_TOLD = 8


@attrs.frozen(kw_only=True)
class RelayLimits:
    """How much this relay lends, and for how long."""

    reservations: Caps = Caps(total=2048, per_prefix=64, per_peer=1)
    """Reservations held. A prefix may be a whole office behind one address."""
    circuits: Caps = Caps(total=1024, per_prefix=64, per_peer=16)
    """Circuits open, counted for the side that asked for them."""
    circuits_to_one: int = 32
    """Circuits open to one node, whoever asked for them."""
    circuits_of_network_to_one: int = 16
    """Of these, for who asks from one network: the node itself cannot tell networks apart behind a
    circuit, and PeerIds cost nothing."""
    circuits_of_pair: int = 2
    """Circuits open from one peer to one node: nobody fills a node's share alone."""
    answer_seconds: float = 10.0
    """Until a node must have taken a circuit that is brought to it."""
    reservation_seconds: int = 3600
    """Until a reservation must be renewed."""
    circuit_seconds: float = 3600.0
    """Until a circuit is cut, idle or not."""
    circuit_bytes: int = 16 * 1024 * 1024
    """Until a circuit is cut, both directions together. Signaling needs about 100 kB an hour;
    media never goes through here."""


class Relay:
    """The running hop. Made by `open_relay`."""

    def __init__(
        self,
        host: Host,
        limits: RelayLimits,
        *,
        prefix_of: Callable[[Stream], str],
        clock: Callable[[], float],
    ) -> None:
        self._host = host
        self._limits = limits
        self._prefix_of = prefix_of
        self._clock = clock
        self._expiries: dict[str, float] = {}
        self._prefixes: dict[str, str] = {}
        self._reserved = Quota(limits.reservations, "reservations")
        self._circuits = Quota(limits.circuits, "circuits")
        self.on_ended: Callable[[tuple[str, str], int], None] = lambda _peers, _bytes: None
        """Told of each circuit that is over: between whom, and how many bytes passed."""
        everyone = limits.circuits.total
        # Here the "peer" is a pair and the "prefix" its target.
        self._to_one = Quota(
            Caps(everyone, limits.circuits_to_one, limits.circuits_of_pair), "circuits to this node"
        )

        # And here the "peer" is a network and its target.
        self._network_to_one = Quota(
            Caps(everyone, everyone, limits.circuits_of_network_to_one), "circuits to this node"
        )

    @property
    def reservations(self) -> int:
        """How many are held now."""
        return self._reserved.held

    @property
    def circuits(self) -> int:
        """How many are open now."""
        return self._circuits.held

    def held_by(self, peer: str) -> int:
        """How many circuits this node has asked for that are open."""
        return self._circuits.held_by(peer)

    async def serve(self, stream: Stream) -> None:
        """Answers one request of a peer; if it was for a circuit, stays with that until it ends."""
        request: HopMessage | None = None
        with trio.move_on_after(REQUEST_LIMIT), contextlib.suppress(CircuitProtocolError):
            request = await circuit.receive_message(stream, HopMessage)
        if request is None:
            await self._answer(stream, Status.MALFORMED_MESSAGE)
        elif request.type == HopMessage.RESERVE:
            await self._reserve(stream, request)
        elif request.type == HopMessage.CONNECT:
            await self._connect(stream, request)
        else:
            await self._answer(stream, Status.UNEXPECTED_MESSAGE)

    # ---- reservations ----------------------------------------------------------------------

    async def _reserve(self, stream: Stream, request: HopMessage) -> None:
        peer = stream.peer_id
        try:
            named = circuit.peer_named(request)
        except CircuitProtocolError:
            await self._answer(stream, Status.MALFORMED_MESSAGE)
            return
        # The specification gives this message no peer, py-libp2p sends one. Only the connection
        # tells who is asking: whoever could name others would take every place with invented ones.
        if named not in {None, peer}:
            await self._answer(stream, Status.PERMISSION_DENIED)
            return
        if peer not in self._expiries:
            prefix = self._prefix_of(stream)
            try:
                self._reserved.take(peer, prefix)
            except Exhausted:
                await self._answer(stream, Status.RESERVATION_REFUSED)
                return
            self._prefixes[peer] = prefix
        seconds = self._limits.reservation_seconds
        self._expiries[peer] = self._clock() + seconds
        if not self._host.connected(peer):
            self.forget(peer)
            return
        await self._answer(
            stream,
            Status.OK,
            reservation=circuit.reservation(int(time.time()) + seconds, self._own_addresses()),
            limit=self._limit(),
        )

    def _own_addresses(self) -> Sequence[str]:
        return self._host.addresses[:_ADDRESSES_TOLD]

    def _limit(self) -> Limit:
        # Whole seconds and at least one: 0 means no limit to the specification.
        duration = max(1, round(self._limits.circuit_seconds))
        return Limit(duration=duration, data=self._limits.circuit_bytes)

    def holds(self, peer: str) -> bool:
        """Whether `peer` may be reached through us now."""
        return self._expiries.get(peer, 0.0) > self._clock() and self._host.connected(peer)

    def forget(self, peer: str) -> None:
        """Ends a reservation, if there is one; open circuits go on."""
        if self._expiries.pop(peer, None) is not None:
            self._reserved.give_back(peer, self._prefixes.pop(peer))

    async def forget_lapsed(self) -> None:
        """Ends reservations as they lapse, until cancelled."""
        # Whoever asks for a lapsed one is refused at once; this only bounds how long it is kept.
        pause = min(self._limits.reservation_seconds / 4, 30.0)
        while True:
            now = self._clock()
            for peer in [peer for peer, end in self._expiries.items() if end <= now]:
                with contained("reservation"):
                    self.forget(peer)
            await trio.sleep(pause)

    # ---- circuits --------------------------------------------------------------------------

    async def _connect(self, stream: Stream, request: HopMessage) -> None:
        try:
            target = circuit.peer_named(request)
        except CircuitProtocolError:
            target = None
        source = stream.peer_id
        if target is None:
            await self._answer(stream, Status.MALFORMED_MESSAGE)
        elif target == source:
            await self._answer(stream, Status.PERMISSION_DENIED)
        elif not self.holds(target):
            await self._answer(stream, Status.NO_RESERVATION)
        else:
            prefix = self._prefix_of(stream)
            try:
                with (
                    self._circuits.holding(source, prefix),
                    self._to_one.holding(f"{source} {target}", target),
                    self._network_to_one.holding(f"{prefix} {target}", target),
                ):
                    await self._relay(stream, target)
            except Exhausted:
                await self._answer(stream, Status.RESOURCE_LIMIT_EXCEEDED)

    async def _relay(self, source: Stream, target: str) -> None:
        far = await self._open_to(target, source.peer_id)
        if far is None:
            await self._answer(source, Status.CONNECTION_FAILED)
            return
        allowance = _Allowance(self._limits.circuit_bytes)
        try:
            await self._answer(source, Status.OK, limit=self._limit())
            with trio.move_on_after(self._limits.circuit_seconds):
                if await _splice(source, far, allowance):
                    await source.aclose()
                    await far.aclose()
        finally:
            # Nothing where both ends were closed; else both learn at once that it is over.
            source.abort()
            far.abort()
            self.on_ended((source.peer_id, target), allowance.spent)

    async def _open_to(self, target: str, source: str) -> Stream | None:
        """The stream on which `target` takes a circuit from `source`, None if it does not."""
        far: Stream | None = None
        taken = False
        try:
            with trio.move_on_after(self._limits.answer_seconds):
                far = await self._host.open_stream(target, STOP)
                request = StopMessage(
                    type=StopMessage.CONNECT,
                    peer=circuit.peer_field(source),
                    limit=self._limit(),
                )
                await circuit.send_message(far, request)
                answer = await circuit.receive_message(far, StopMessage)
                taken = circuit.status_of(answer) == Status.OK
        except (NetError, trio.BrokenResourceError):
            taken = False
        finally:
            if far is not None and not taken:
                far.abort()
        return far if taken else None

    async def _answer(
        self,
        stream: Stream,
        status: Status,
        *,
        reservation: circuit.Reservation | None = None,
        limit: Limit | None = None,
    ) -> None:
        with trio.move_on_after(REQUEST_LIMIT), contextlib.suppress(trio.BrokenResourceError):
            message = circuit.hop_answer(status, reservation=reservation, limit=limit)
            await circuit.send_message(stream, message)


class _Allowance:
    """The bytes that one circuit may still carry, both directions together."""

    def __init__(self, count: int) -> None:
        self._left = count
        self.spent = 0

    def spend(self, count: int) -> bool:
        self._left -= count
        if self._left < 0:
            return False
        self.spent += count
        return True


async def _splice(one: Stream, other: Stream, allowance: _Allowance) -> bool:
    """Passes bytes both ways until both sides have ended: True.

    An end is passed on by itself, so that each side can finish what it is saying. False as soon as
    either side breaks or the bytes are used up.
    """
    whole = True

    async def pump(source: Stream, sink: Stream) -> None:
        nonlocal whole
        try:
            while data := await source.receive_some(CHUNK):
                if not allowance.spend(len(data)):
                    break
                await sink.send_all(data)
            else:
                await sink.send_eof()
                return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        whole = False
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pump, one, other)
        nursery.start_soon(pump, other, one)
    return whole


@asynccontextmanager
async def open_relay(
    host: Host,
    limits: RelayLimits,
    *,
    prefix_of: Callable[[Stream], str],
    clock: Callable[[], float] = trio.current_time,
) -> AsyncIterator[Relay]:
    """Relays through `host` for the length of the block.

    `prefix_of` tells the network prefix of the connection a stream came over (`limits.prefix_of`).
    """
    relay = Relay(host, limits, prefix_of=prefix_of, clock=clock)
    stop = host.on_disconnect(relay.forget)
    host.handle(HOP, relay.serve, limit=limits.circuits.per_peer + SPARE_STREAMS)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(relay.forget_lapsed)
            yield relay
            nursery.cancel_scope.cancel()
    finally:
        stop()
        host.stop_handling(HOP)
