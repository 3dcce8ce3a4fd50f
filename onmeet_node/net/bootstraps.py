"""The bootstraps a node knows: connected to, checked, and replaced by one another when they fail.

A bootstrap is the way into the DHT and, for most nodes, a relay. It is asked who it is before
anything else: its description must be signed with the key that its address names, be fresh, and be
of the region the user pinned (P10); one that is not is dropped before the DHT learns of it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import TypeVar

import attrs
import trio

from onmeet_node.net.addresses import peer_of
from onmeet_node.net.backoff import Backoff
from onmeet_node.net.errors import (
    BootstrapRefused,
    NetError,
    RelayUnavailable,
    StreamRefused,
)
from onmeet_node.net.host import Host
from onmeet_node.net.relay import RelayClient
from onmeet_node.net.streams import Stream
from onmeet_node.wire.bootstrap_api import (
    MAX_FRAME_BYTES,
    PROTOCOL,
    Describe,
    Description,
    Refused,
    Request,
    SignedDescription,
    decode_answer,
    encode_request,
    open_description,
)
from onmeet_node.wire.errors import DescriptionError, RemoteProtocolError
from onmeet_node.wire.frames import FrameDecoder, encode_frame

ANSWER_LIMIT = 10.0
"""Seconds a bootstrap has to answer, the connection to it included."""
RETRY_REFUSED = 300.0
"""Seconds until a bootstrap that was refused for what it is gets looked at again."""
RENEW_AT_LATEST = 3600.0
"""Seconds after which a connected bootstrap is asked again who it is."""
RESERVATIONS = 2
"""Relays that hold a place for this node, so that one may fail."""


A = TypeVar("A")


class Standing(Enum):
    """How a known bootstrap stands with this node."""

    AWAY = "away"
    """Not reached yet, or no longer; being tried."""
    CONNECTED = "connected"
    REFUSED = "refused"
    """It answers, but its description is false, outdated or of another region."""


@attrs.frozen
class Known:
    """What a node knows of one bootstrap now."""

    peer: str
    addresses: tuple[str, ...]
    standing: Standing = Standing.AWAY
    description: Description | None = None
    """As it signed it; kept while it is away."""
    round_trip: float = math.inf
    """Seconds between a question and its answer over an open connection."""
    problem: str = ""
    """Why it is not connected, in a sentence for the user."""


class Bootstraps:
    """Keeps in touch with all known bootstraps of the right region at once."""

    def __init__(
        self,
        host: Host,
        addresses: Iterable[str],
        *,
        region: str | None = None,
        relays: RelayClient | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`addresses`: multiaddrs with ``/p2p/…``; those of one PeerId belong together.

        `region`: ``"ca"`` or ``"de"`` refuses all bootstraps that do not sign to be there. With
        `relays`, reservations are kept at the best of them. Raises BadAddress.
        """
        self._host = host
        self._region = region or None
        self._relays = relays
        self._wall_clock = wall_clock
        self._on_change: list[Callable[[], None]] = []
        self._changed = trio.Event()
        grouped: dict[str, list[str]] = {}
        for address in addresses:
            grouped.setdefault(peer_of([address]), []).append(address)
        self._known = {peer: Known(peer, tuple(ways)) for peer, ways in grouped.items()}

    @property
    def known(self) -> tuple[Known, ...]:
        """Every bootstrap, connected ones first, of those the nearest first."""
        return tuple(sorted(self._known.values(), key=_preference))

    @property
    def connected(self) -> tuple[str, ...]:
        """PeerIds of the bootstraps in use, the nearest first."""
        return tuple(k.peer for k in self.known if k.standing is Standing.CONNECTED)

    @property
    def addresses(self) -> tuple[str, ...]:
        """One address of each bootstrap in use, the nearest first: hints for a contact code."""
        return tuple(k.addresses[0] for k in self.known if k.standing is Standing.CONNECTED)

    def on_change(self, notify: Callable[[], None]) -> Callable[[], None]:
        """Call `notify()` when `known` changed. Returns the way to stop it."""
        self._on_change.append(notify)
        return lambda: self._on_change.remove(notify)

    async def wait_connected(self) -> None:
        """Return once at least one bootstrap is in use."""
        while not self.connected:
            await self._changed.wait()

    async def run(self) -> None:
        """Reaches every bootstrap, again and again, until cancelled."""
        async with trio.open_nursery() as nursery:
            for peer in self._known:
                nursery.start_soon(self._keep, peer)
            if self._relays is not None:
                nursery.start_soon(self._keep_reservations, self._relays)

    # ---- one bootstrap ---------------------------------------------------------------------

    async def _keep(self, peer: str) -> None:
        backoff = Backoff()
        while True:
            try:
                await self._enter(peer)
            except BootstrapRefused as error:
                self._set(peer, standing=Standing.REFUSED, problem=str(error))
                await self._host.disconnect(peer)
                await trio.sleep(RETRY_REFUSED)
            except (NetError, trio.BrokenResourceError) as error:
                self._set(peer, standing=Standing.AWAY, problem=str(error))
                await trio.sleep(backoff.next())
            else:
                backoff.reset()
                with trio.move_on_after(self._fresh_for(peer)):
                    await self._host.wait_disconnected(peer)
                    problem = "The connection was lost; it is being made again."
                    self._set(peer, standing=Standing.AWAY, problem=problem)
                    await trio.sleep(backoff.first())

    async def _enter(self, peer: str) -> None:
        addresses = self._known[peer].addresses
        try:
            with trio.fail_after(ANSWER_LIMIT):
                await self._host.connect(addresses)
                signed, round_trip = await ask_description(self._host, peer)
        except trio.TooSlowError:
            raise RelayUnavailable(f"nothing within {ANSWER_LIMIT:.0f} seconds") from None
        description = self._check(peer, signed)
        # Only now: what is in the routing table is asked, and told to others.
        await self._host.join(addresses)
        self._set(
            peer,
            standing=Standing.CONNECTED,
            description=description,
            round_trip=round_trip,
            problem="",
        )

    def _check(self, peer: str, signed: SignedDescription) -> Description:
        try:
            description = open_description(signed, peer, now=int(self._wall_clock()))
        except DescriptionError as error:
            raise BootstrapRefused(
                f"{error.reason}; check this machine's clock, or use another bootstrap"
            ) from error
        if self._region is not None and description.region != self._region:
            where = _REGIONS.get(description.region, "neither Canada nor Germany")
            wanted = _REGIONS[self._region]
            raise BootstrapRefused(f"it is in {where}, and you allow {wanted} only")
        return description

    def _fresh_for(self, peer: str) -> float:
        description = self._known[peer].description
        assert description is not None
        left = description.not_after - self._wall_clock()
        return max(1.0, min(left / 2, RENEW_AT_LATEST))

    def _set(self, peer: str, **changes: object) -> None:
        before = self._known[peer]
        self._known[peer] = after = attrs.evolve(before, **changes)  # type: ignore[arg-type]
        if after != before:
            self._changed.set()
            self._changed = trio.Event()
            for notify in list(self._on_change):
                notify()

    # ---- reservations ----------------------------------------------------------------------

    async def _keep_reservations(self, relays: RelayClient) -> None:
        """Holds reservations at the nearest relays; one that is gone gives way to the next."""
        keepers: dict[str, trio.CancelScope] = {}

        async def keep(addresses: Sequence[str], scope: trio.CancelScope) -> None:
            with scope:
                await relays.keep(addresses)

        async with trio.open_nursery() as nursery:
            while True:
                changed = self._changed
                in_use = [
                    known
                    for known in self.known
                    if known.standing is Standing.CONNECTED and _relays(known)
                ]
                for peer in keepers.keys() - {known.peer for known in in_use}:
                    keepers.pop(peer).cancel()
                for known in in_use:
                    if len(keepers) < RESERVATIONS and known.peer not in keepers:
                        scope = keepers[known.peer] = trio.CancelScope()
                        nursery.start_soon(keep, known.addresses, scope)
                await changed.wait()


async def ask_description(host: Host, peer: str) -> tuple[SignedDescription, float]:
    """What a connected bootstrap says of itself, unchecked, and the seconds a round trip took.

    Raises as `ask`.
    """
    stream = await _question(host, peer)
    asked = trio.current_time()
    answer = await _exchange(stream, Describe(), SignedDescription)
    return answer, trio.current_time() - asked


async def ask(host: Host, peer: str, request: Request, expected: type[A]) -> A:
    """One question to a connected bootstrap.

    Raises BootstrapRefused if it is none, or RelayUnavailable with its reason.
    """
    return await _exchange(await _question(host, peer), request, expected)


async def _question(host: Host, peer: str) -> Stream:
    try:
        return await host.open_stream(peer, PROTOCOL)
    except StreamRefused as error:
        raise BootstrapRefused("it is no On-Meet bootstrap, or too busy") from error


async def _exchange(stream: Stream, request: Request, expected: type[A]) -> A:
    try:
        await stream.send_all(encode_frame(encode_request(request)))
        answer = decode_answer(await _frame(stream))
    except (RemoteProtocolError, EOFError) as error:
        raise BootstrapRefused("it does not speak our protocol") from error
    except trio.BrokenResourceError:
        raise RelayUnavailable("it closed the request") from None
    finally:
        stream.abort()
    if isinstance(answer, Refused):
        raise RelayUnavailable(_WHY.get(answer.reason, "it asks us to come back later"))
    if not isinstance(answer, expected):
        raise BootstrapRefused("it does not say what it was asked")
    return answer


_WHY = {"unavailable": "it does not offer that", "unsupported": "it is older and cannot do that"}


async def _frame(stream: Stream) -> bytes:
    decoder = FrameDecoder(MAX_FRAME_BYTES)
    while data := await stream.receive_some():
        for frame in decoder.feed(data):
            return frame
    raise EOFError


_REGIONS = {"ca": "Canada", "de": "Germany"}


def _preference(known: Known) -> tuple[bool, float]:
    return known.standing is not Standing.CONNECTED, known.round_trip


def _relays(known: Known) -> bool:
    return known.description is not None and "relay" in known.description.services
