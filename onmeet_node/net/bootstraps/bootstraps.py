"""The bootstraps a node knows: connected to, checked, and replaced by one another when they fail.

A bootstrap is the way into the DHT and, for most nodes, a relay. It is asked who it is before
anything else: its description must be signed with the key that its address names, be fresh, and be
of the region the user pinned (P10); one that is not is dropped before the DHT learns of it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from enum import Enum
from functools import partial

import attrs
import trio

from onmeet_node.net.backoff import Backoff
from onmeet_node.net.bootstraps.clock import ahead_of, clock_problem, date_of
from onmeet_node.net.bootstraps.requests import ask_description
from onmeet_node.net.errors import (
    BadMultiaddr,
    BootstrapRefused,
    NetError,
    NoBootstrap,
    RelayUnavailable,
)
from onmeet_node.net.libp2p.multiaddrs import circuit, peer_of
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.process.faults import contained
from onmeet_node.protocol.wire.bootstrap_api import Description, SignedDescription, open_description
from onmeet_node.protocol.wire.errors import DescriptionError

__all__ = ["BootstrapState", "Bootstraps", "KnownBootstrap", "ask_description"]

ANSWER_LIMIT = 10.0
"""Seconds a bootstrap has to answer, the connection to it included."""
RETRY_REFUSED = 300.0
"""Seconds until a bootstrap that was refused for what it is gets looked at again."""
RENEW_AT_LATEST = 3600.0
"""Seconds after which a connected bootstrap is asked again who it is."""
MAX_HINTED = 16
"""Bootstraps known from hints alone; each costs a connection."""
MAX_WAYS = 8
"""Addresses of one bootstrap."""
GIVE_UP_AFTER = 6
"""Failures in a row, while another bootstrap is connected, after which a hinted one is forgotten:
about half a minute."""

REGIONS = {"ca": "Canada", "de": "Germany"}


class BootstrapState(Enum):
    """How a known bootstrap stands with this node."""

    AWAY = "away"
    """Not reached yet, or no longer; being tried."""
    CONNECTED = "connected"
    REFUSED = "refused"
    """It answers, but its description is false, outdated or of another region."""


@attrs.frozen
class KnownBootstrap:
    """What a node knows of one bootstrap now."""

    peer: str
    addresses: tuple[str, ...] = attrs.field(repr=False)
    hinted: bool = False
    """Known from a contact's code alone, not chosen by this node's user."""
    standing: BootstrapState = BootstrapState.AWAY
    description: Description | None = None
    """As it signed it; kept while it is away."""
    round_trip: float = math.inf
    """Seconds between a question and its answer over an open connection."""
    ahead: float | None = None
    """Seconds by which our clock is ahead of its clock, as far as is certain; None: not known."""
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
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`addresses`: multiaddrs with ``/p2p/…``; those of one PeerId belong together.

        `region`: ``"ca"`` or ``"de"`` refuses all bootstraps that do not sign to be there. Raises
        BadAddress.
        """
        self._host = host
        self._region = region or None
        self._wall_clock = wall_clock
        self._on_change: list[Callable[[], None]] = []
        self._known: dict[str, KnownBootstrap] = {}
        self._nursery: trio.Nursery | None = None
        self._again = trio.Event()
        self.changed = trio.Event()
        """Set at the next change of `known`, or `refresh`; then there is another event here."""
        for address in addresses:
            self._learn(address, hinted=False)

    @property
    def known(self) -> tuple[KnownBootstrap, ...]:
        """Every bootstrap: connected ones first, of those the user's own, then the nearest."""
        return tuple(sorted(self._known.values(), key=_preference))

    @property
    def pinned(self) -> str:
        """The name of the one region that is allowed; "" if all are."""
        return REGIONS[self._region] if self._region is not None else ""

    @property
    def connected(self) -> tuple[str, ...]:
        """PeerIds of the bootstraps in use, the preferred ones first."""
        return tuple(k.peer for k in self.known if k.standing is BootstrapState.CONNECTED)

    @property
    def addresses(self) -> tuple[str, ...]:
        """One address of each bootstrap in use: hints for a contact code."""
        return tuple(k.addresses[0] for k in self.known if k.standing is BootstrapState.CONNECTED)

    @property
    def clock_problem(self) -> str:
        """What is wrong with this machine's clock, in a sentence for the user; "" if nothing is."""
        return clock_problem(k.ahead for k in self._known.values() if k.ahead is not None)

    def on_change(self, notify: Callable[[], None]) -> Callable[[], None]:
        """Call `notify()` when `known` changed. Returns the way to stop it."""
        self._on_change.append(notify)
        return lambda: self._on_change.remove(notify)

    async def wait_connected(self) -> None:
        """Return once at least one bootstrap is in use."""
        while not self.connected:
            await self.changed.wait()

    # ---- which ones ------------------------------------------------------------------------

    def add(self, addresses: Iterable[str]) -> None:
        """Try these too: hints from contact codes, less preferred than the user's own.

        At most MAX_HINTED are held; one that never answers is forgotten. What is no address of a
        bootstrap is passed over: codes come from others.
        """
        before = set(self._known)
        for address in addresses:
            try:
                self._learn(address, hinted=True)
            except BadMultiaddr:
                continue
        fresh = [peer for peer in self._known if peer not in before]
        if self._nursery is not None:
            for peer in fresh:
                self._nursery.start_soon(self._keep, peer)
        if fresh:
            self._tell()

    def _learn(self, address: str, *, hinted: bool) -> None:
        peer = peer_of([address])
        if circuit(address):
            raise BadMultiaddr(address, "a bootstrap is not reached through a relay")
        known = self._known.get(peer)
        if known is None:
            if hinted and sum(k.hinted for k in self._known.values()) >= MAX_HINTED:
                return
            self._known[peer] = KnownBootstrap(peer, (address,), hinted=hinted)
        elif address not in known.addresses and len(known.addresses) < MAX_WAYS:
            self._known[peer] = attrs.evolve(known, addresses=(*known.addresses, address))

    def _forget(self, peer: str) -> None:
        del self._known[peer]
        self._tell()

    # ---- staying in touch ------------------------------------------------------------------

    async def run(self) -> None:
        """Reaches every bootstrap, again and again, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                for peer in self._known:
                    nursery.start_soon(self._keep, peer)
                await trio.sleep_forever()
            finally:
                self._nursery = None

    def refresh(self) -> None:
        """The network or the clock changed: try at once whatever is away or was refused."""
        self._again.set()
        self._again = trio.Event()
        self._wake()

    async def _keep(self, peer: str) -> None:
        """Keeps in touch with one, whatever becomes of it; returns once it is forgotten."""
        forgotten = False
        while not forgotten:
            with contained("bootstrap", then=partial(self._fail, peer)):
                await self._keep_in_touch(peer)
                forgotten = True
            if not forgotten:
                await self._pause(RETRY_REFUSED)

    def _fail(self, peer: str) -> None:
        if (known := self._known.get(peer)) is not None:
            problem = "Something went wrong with it; it is tried again in five minutes."
            self._known[peer] = attrs.evolve(known, standing=BootstrapState.AWAY, problem=problem)
            self._wake()

    async def _keep_in_touch(self, peer: str) -> None:
        backoff = Backoff()
        failures = 0
        while True:
            try:
                await self._enter(peer)
            except BootstrapRefused as error:
                self._set(peer, standing=BootstrapState.REFUSED, problem=str(error))
                if isinstance(error, NoBootstrap) and await self._enter_by_node(peer):
                    await self._pause(backoff.first())
                    continue
                await self._host.disconnect(peer)
                if self._known[peer].hinted:
                    return self._forget(peer)
                await self._pause(RETRY_REFUSED)
            except (NetError, trio.BrokenResourceError) as error:
                self._set(peer, standing=BootstrapState.AWAY, problem=str(error))
                # Without any other bootstrap it is more likely our own network that is down.
                failures += bool(self.connected)
                if self._known[peer].hinted and failures >= GIVE_UP_AFTER:
                    return self._forget(peer)
                if await self._pause(backoff.next()):
                    backoff.reset()
            else:
                backoff.reset()
                failures = 0
                with trio.move_on_after(self._fresh_for(peer)):
                    await self._host.wait_disconnected(peer)
                    problem = "The connection was lost; it is being made again."
                    self._set(peer, standing=BootstrapState.AWAY, problem=problem)
                    await self._pause(backoff.first())

    async def _pause(self, seconds: float) -> bool:
        """Waits, but no longer than until `refresh`; whether that is why it ended."""
        with trio.move_on_after(seconds):
            await self._again.wait()
            return True
        return False

    async def _enter(self, peer: str) -> None:
        addresses = self._known[peer].addresses
        try:
            with trio.fail_after(ANSWER_LIMIT):
                await self._host.connect(addresses)
                signed, round_trip = await ask_description(self._host, peer)
        except trio.TooSlowError:
            # Whatever is still open leads nowhere, and would be used again.
            await self._host.disconnect(peer)
            raise RelayUnavailable(f"nothing within {ANSWER_LIMIT:.0f} seconds") from None
        description = self._check(peer, signed)
        # Only now: what is in the routing table is asked, and told to others.
        await self._host.join(addresses)
        self._set(
            peer,
            standing=BootstrapState.CONNECTED,
            description=description,
            round_trip=round_trip,
            problem="",
        )

    async def _enter_by_node(self, peer: str) -> bool:
        """Joins the DHT by an ordinary node that the person named, for as long as it is there, and
        asks again later what it is; False: not by this one.
        """
        known = self._known[peer]
        if known.hinted or self._region is not None:
            return False
        try:
            with trio.fail_after(ANSWER_LIMIT):
                await self._host.join(known.addresses)
        except (NetError, trio.TooSlowError, trio.BrokenResourceError):
            return False
        with trio.move_on_after(RETRY_REFUSED):
            await self._host.wait_disconnected(peer)
        return True

    def _check(self, peer: str, signed: SignedDescription) -> Description:
        now = self._wall_clock()
        try:
            self._set(peer, ahead=ahead_of(date_of(signed, peer), now))
            description = open_description(signed, peer, now=int(now))
        except DescriptionError as error:
            ahead = self._known[peer].ahead
            remedy = clock_problem([ahead] if ahead is not None else [])
            raise BootstrapRefused(
                f"{error.reason}; {remedy or 'use another bootstrap'}"
            ) from error
        if self._region is not None and description.region != self._region:
            where = REGIONS.get(description.region, "neither Canada nor Germany")
            wanted = REGIONS[self._region]
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
            self._tell()

    def _tell(self) -> None:
        self._wake()
        for notify in list(self._on_change):
            with contained("bootstrap"):
                notify()

    def _wake(self) -> None:
        self.changed.set()
        self.changed = trio.Event()


def _preference(known: KnownBootstrap) -> tuple[bool, bool, float]:
    return known.standing is not BootstrapState.CONNECTED, known.hinted, known.round_trip
