"""Whether others can reach this node by themselves: it asks bootstraps to dial it back.

A bootstrap dials only the address that our own connection comes from, at the ports we name, and
says whether we proved there to be ourselves. What it says is believed as far as it goes: a lie
makes us serve the DHT, or not, and puts an address of its choice into our own records.
"""

from __future__ import annotations

import enum
import ipaddress
import math
from collections.abc import Callable, Iterable
from contextlib import suppress

import attrs
import trio

from onmeet_node.net.bootstraps.bootstraps import Bootstraps
from onmeet_node.net.bootstraps.requests import ask
from onmeet_node.net.errors import BootstrapRefused, NetError
from onmeet_node.net.libp2p.multiaddrs import interface_addresses, ip_of
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.net.waiting import either
from onmeet_node.process.faults import contained
from onmeet_node.protocol.wire.bootstrap_api import DialBack, DialedBack, Echo, Observed, Transport

ASKED = 2
"""Bootstraps asked: one may be mistaken, or in our own network."""
ASK_AGAIN = 1800.0
"""Seconds after which answers are asked for again: routers forget, providers renumber."""
RETRY = 60.0
"""Seconds until a bootstrap that could not answer is asked again."""
ANSWER_LIMIT = 12.0
"""Seconds for all questions to one bootstrap; it gives each dial five."""
MAX_PORTS = 4
"""Ports asked for; a node listens on two unless told otherwise."""


class Reachability(enum.StrEnum):
    """How others get to this node."""

    UNKNOWN = "unknown"
    """No bootstrap has answered yet."""
    PUBLIC = "public"
    """They can dial it, at `ReachabilityProbe.addresses`."""
    PRIVATE = "private"
    """Only through a relay: it is behind a NAT or a firewall, or listens nowhere."""


@attrs.frozen
class ListeningPort:
    """A way in that may be open: a port of ours, or one that a router maps to it."""

    port: int
    transport: Transport = Transport.TCP

    def at(self, address: str) -> str:
        """The multiaddr of this door at an ``/ip4/…`` or ``/ip6/…``."""
        websocket = "/ws" if self.transport is Transport.WEBSOCKET else ""
        return f"{address}/tcp/{self.port}{websocket}"


@attrs.frozen
class ProbeAnswer:
    """What one bootstrap said."""

    at: float
    """`trio.current_time()` of it."""
    observed: str = attrs.field(default="", repr=False)
    """Where it sees us, ``/ip4/…`` or ``/ip6/…``; empty if it did not answer."""
    reached: tuple[str, ...] = attrs.field(default=(), repr=False)
    """Multiaddrs at which it reached us, without ``/p2p``."""

    @property
    def due(self) -> float:
        """When to ask again."""
        return self.at + (ASK_AGAIN if self.observed else RETRY)


def doors(listening: Iterable[str], address: str) -> tuple[ListeningPort, ...]:
    """The doors that can be open at `address` (``/ip4/…``), by the multiaddrs we listen on."""
    family = address.split("/")[1]
    found: dict[ListeningPort, None] = {}
    for text in listening:
        _, kind, host, _, port, *rest = text.split("/")
        # What is bound to loopback is open to nobody out there.
        inside = ipaddress.ip_address(host).is_loopback and address != f"/{kind}/{host}"
        if kind == family and not inside:
            transport = Transport.WEBSOCKET if rest[:1] == ["ws"] else Transport.TCP
            found[ListeningPort(int(port), transport)] = None
    return tuple(found)[:MAX_PORTS]


def conclude(answers: Iterable[ProbeAnswer]) -> Reachability:
    """What follows from several answers: those from the internet outweigh those from our network.

    A bootstrap on our own network reaches us where strangers do not.
    """
    known = [answer for answer in answers if answer.observed]
    outside = [answer for answer in known if _is_global(answer.observed)]
    if not known:
        return Reachability.UNKNOWN
    reached = any(answer.reached for answer in outside or known)
    return Reachability.PUBLIC if reached else Reachability.PRIVATE


def _is_global(address: str) -> bool:
    ip = ip_of(address)
    return ip is not None and ip.is_global


class ReachabilityProbe:
    """How this node looks from outside. Kept up to date by `run`."""

    def __init__(self, host: Host, bootstraps: Bootstraps) -> None:
        self.reachability = Reachability.UNKNOWN
        self.addresses: tuple[str, ...] = ()
        """Multiaddrs with ``/p2p/…`` at which bootstraps reached us; () unless PUBLIC."""
        self.mapped: tuple[ListeningPort, ...] = ()
        """Doors that a router opened for us; set by whoever keeps the mapping, then `refresh`."""
        self._host = host
        self._bootstraps = bootstraps
        self._answers: dict[str, ProbeAnswer] = {}
        self._on_change: list[Callable[[], None]] = []
        self._again = trio.Event()
        self.changed = trio.Event()
        """Set at the next change of reachability or addresses; then another event is here."""

    def __repr__(self) -> str:
        return f"<Outside {self.reachability}>"

    @property
    def observed(self) -> tuple[str, ...]:
        """Where bootstraps see us coming from, ``/ip4/…`` or ``/ip6/…``."""
        return tuple(dict.fromkeys(a.observed for a in self._answers.values() if a.observed))

    @property
    def behind_nat(self) -> bool:
        """Whether others see an address that this machine does not have."""
        own = {f"/ip{v}/{a}" for v in (4, 6) for a in interface_addresses(v)}
        return any(address not in own for address in self.observed if "/127." not in address)

    def on_change(self, notify: Callable[[], None]) -> Callable[[], None]:
        """Call `notify()` when reachability or addresses changed. Returns the way to stop it."""
        self._on_change.append(notify)
        return lambda: self._on_change.remove(notify)

    def refresh(self) -> None:
        """The network changed: all answers are old."""
        self._answers = {p: attrs.evolve(a, at=-math.inf) for p, a in self._answers.items()}
        self._again.set()

    async def run(self) -> None:
        """Asks the preferred bootstraps, and again when answers are due, until cancelled."""
        while True:
            changed = self._bootstraps.changed
            self._again = trio.Event()
            askable = self._bootstraps.connected[:ASKED]
            due = [peer for peer in askable if self._due(peer) <= trio.current_time()]
            if due:
                async with trio.open_nursery() as nursery:
                    for peer in due:
                        nursery.start_soon(self._ask, peer)
                # Those of bootstraps no longer asked stay until somebody else has answered.
                kept = {p: self._answers[p] for p in askable if p in self._answers}
                if any(answer.observed for answer in kept.values()):
                    self._answers = kept
                self._conclude()
            if changed is self._bootstraps.changed and not self._again.is_set():
                next_due = min(map(self._due, askable), default=math.inf)
                with trio.move_on_at(next_due):
                    await either(changed.wait(), self._again.wait())

    def _due(self, peer: str) -> float:
        answer = self._answers.get(peer)
        return answer.due if answer is not None else -math.inf

    async def _ask(self, peer: str) -> None:
        answer = ProbeAnswer(at=trio.current_time())
        # One that fails is asked again in a minute, and others are asked too.
        with contained("bootstrap"), suppress(NetError), trio.move_on_after(ANSWER_LIMIT):
            answer = await self._examine(peer)
        self._answers[peer] = attrs.evolve(answer, at=trio.current_time())

    async def _examine(self, peer: str) -> ProbeAnswer:
        observed = (await ask(self._host, peer, Echo(), Observed)).address
        if ip_of(observed) is None or observed.count("/") != 2:
            raise BootstrapRefused("it sees us at no IP address")
        reached: list[str] = []

        async def knock(door: ListeningPort) -> None:
            question = DialBack(port=door.port, transport=door.transport)
            answer = await ask(self._host, peer, question, DialedBack)
            if answer.reachable:
                reached.append(door.at(observed))

        # One after the other: a bootstrap dials one node once at a time.
        for door in dict.fromkeys((*doors(self._host.listening, observed), *self.mapped)):
            await knock(door)
        return ProbeAnswer(trio.current_time(), observed, tuple(reached))

    def _conclude(self) -> None:
        answers = tuple(self._answers.values())
        reachability = conclude(answers)
        if reachability is Reachability.UNKNOWN and self.reachability is not reachability:
            return  # nobody could say just now; what was known holds until somebody can
        found = dict.fromkeys(where for answer in answers for where in answer.reached)
        here = f"/p2p/{self._host.peer_id}"
        public = reachability is Reachability.PUBLIC
        addresses = tuple(where + here for where in found) if public else ()
        if (reachability, addresses) != (self.reachability, self.addresses):
            self.reachability, self.addresses = reachability, addresses
            self.changed.set()
            self.changed = trio.Event()
            for notify in list(self._on_change):
                with contained("bootstrap"):
                    notify()
