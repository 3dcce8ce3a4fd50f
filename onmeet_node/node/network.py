"""The node's side of the network, put together: host, relays, bootstraps, LAN and records."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import trio

from onmeet_node.config import Config
from onmeet_node.contacts.own_devices import OwnDevices
from onmeet_node.findings import Finding, poor
from onmeet_node.net.bootstraps.bootstraps import Bootstraps, BootstrapState
from onmeet_node.net.bootstraps.dht_mode import keep_dht_mode, starts_as_server
from onmeet_node.net.bootstraps.doors import HostDoor, HostDoors
from onmeet_node.net.bootstraps.peer_cache import keep_dht_servers
from onmeet_node.net.bootstraps.reachability import Reachability, ReachabilityProbe
from onmeet_node.net.bootstraps.tokens import TokenPurse
from onmeet_node.net.bootstraps.turn import TurnServer, TurnServers
from onmeet_node.net.channels.room_streams import RoomStreams
from onmeet_node.net.errors import NetError
from onmeet_node.net.examine import (
    of_bootstraps,
    of_clock,
    of_dht,
    of_ports,
    of_reachability,
    of_relays,
    of_turn,
)
from onmeet_node.net.exposure import Exposure
from onmeet_node.net.libp2p.open_host import Host, HostConfig, open_host
from onmeet_node.net.network_changes import Change, watch_network
from onmeet_node.net.portmap.mapper import PortMapper
from onmeet_node.net.presence.rendezvous import Rendezvous
from onmeet_node.net.relay.client import RelayClient
from onmeet_node.net.relay.reservations import keep_reservations
from onmeet_node.process.faults import contained, kept
from onmeet_node.protocol.identity.audience import Audience
from onmeet_node.protocol.identity.record import Presence
from onmeet_node.protocol.wire.vocabulary import CAPABILITIES
from onmeet_node.store import Store
from onmeet_node.store.errors import StoreError
from onmeet_node.store.settings import BOOTSTRAPS, DHT_PEERS, REGION, RELAY_ONLY

if TYPE_CHECKING:
    from onmeet_node.net.lan import Lan

__all__ = ["Change", "Network", "Reachability", "open_network"]

log = logging.getLogger(__name__)

OpenDoor = Callable[[bytes], AbstractAsyncContextManager[HostDoor]]
GUESTS = "guests"
"""The service of bootstraps that are gateways."""

CODE_HINTS = 2
"""Bootstraps named in a code: one more in case the first is down, and the code stays short."""

PROBE_SECONDS = 1.5
"""For peers to answer after the network changed; who does not is gone, and is dialled anew."""


class Network:
    """Everything of `net/`, wired to one store and one identity. Made by `open_network`."""

    def __init__(
        self,
        config: Config,
        store: Store,
        own: OwnDevices,
        host: Host,
        bootstraps: Sequence[str],
        purse: TokenPurse,
    ) -> None:
        exposure = host.config.exposure
        assert exposure is not None, "open_network makes one"
        self.exposure = exposure
        """What is dialled, taken in and told: whoever needs to know asks this."""
        self.host = host
        self.relays = RelayClient(host)
        self.rendezvous = Rendezvous(host, own.keys, own)
        self.bootstraps = Bootstraps(
            host, bootstraps, region=config.region or store.settings.get(REGION)
        )
        self.outside = ReachabilityProbe(host, self.bootstraps)
        self.ports = PortMapper(host, self.outside, exposure=exposure)
        self.turn = TurnServers(host, self.bootstraps, purse=purse)
        self.rooms = RoomStreams(host)
        self._doors = HostDoors(host, token_for=self.turn.token_for_door)
        self._own: tuple[str, OpenDoor] | None = None
        self._own_open: set[HostDoor] = set()
        self._device = own.key.public
        self._config = config
        self._settings = store.settings
        self._lan: Lan | None = None

    @property
    def peer_id(self) -> str:
        """The PeerId, fresh at every start."""
        return self.host.peer_id

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where others may reach it: where it was reached from outside first."""
        return tuple(dict.fromkeys((*self.outside.addresses, *self.host.addresses)))

    @property
    def reachability(self) -> Reachability:
        """Whether others reach this node by themselves."""
        return self.outside.reachability

    def set_relay_only(self, *, on: bool) -> None:
        """Keeps the setting, which holds from now on (`_follow_exposure`). Raises `StoreError`."""
        self._settings.put(RELAY_ONLY, on)
        self.exposure.refresh()

    def hints(self) -> tuple[str, ...]:
        """What a contact code of ours says about where to begin."""
        return self.bootstraps.addresses[:CODE_HINTS]

    def presence(self, audience: Audience) -> Presence:
        """What a record for this audience says of this node."""
        return Presence(
            peer_id=self.host.peer_id,
            addresses=self.exposure.shown(self.addresses) if audience.direct else (),
            relays=self.relays.addresses,
            caps=CAPABILITIES,
            key=self._device,
        )

    def ways_here(self) -> tuple[str, ...]:
        """Multiaddrs at which those of a room reach this node, as far as it shows where it is."""
        return (*self.exposure.shown(self.addresses), *self.relays.addresses)

    def gateways(self) -> tuple[str, ...]:
        """PeerIds of the connected bootstraps that let guests in, the preferred first.

        Before them stands the node's own gateway, if it has one (`use_own_gateway`); not with
        relay-only, since guests connect to this machine there.
        """
        own = () if self._own is None else self.exposure.shown([self._own[0]])
        return own + tuple(
            known.peer
            for known in self.bootstraps.known
            if known.standing is BootstrapState.CONNECTED
            and known.description is not None
            and GUESTS in known.description.services
        )

    async def gateways_changed(self) -> None:
        """Returns when `gateways` may give something else."""
        await self.bootstraps.changed.wait()

    def use_own_gateway(self, name: str, open_door: OpenDoor) -> None:
        """Lets guests in here, too: `open_door` as `open_door` does, for the gateway so named."""
        self._own = name, open_door
        self.bootstraps.refresh()  # whoever waits for a gateway looks again

    def open_door(self, gateway: str, secret: bytes) -> AbstractAsyncContextManager[HostDoor]:
        """A door for guests at a gateway while the block lasts. Raises NetError."""
        if self._own is not None and gateway == self._own[0]:
            return self._own_door(self._own[1], secret)
        return self._doors.open(gateway, secret)

    @asynccontextmanager
    async def _own_door(self, open_door: OpenDoor, secret: bytes) -> AsyncIterator[HostDoor]:
        async with open_door(secret) as door:
            self._own_open.add(door)
            try:
                yield door
            finally:
                self._own_open.discard(door)

    async def lend_turn(self) -> tuple[TurnServer, ...]:
        """TURN credentials for one guest's call; none if nobody lends any just now."""
        try:
            return await self.turn.borrow()
        except (NetError, trio.TooSlowError) as error:
            log.debug("no TURN for a guest: %s", type(error).__name__)
            return ()

    async def withdraw(self) -> None:
        """Takes this node out of its records for good, so that nobody dials where it was.

        Else they say so for up to two hours. Whoever waits bounds it in time.
        """
        try:
            await self.rendezvous.withdraw()
        except NetError as error:
            log.debug("records could not be withdrawn: %s", type(error).__name__)

    async def run(
        self, audiences: Callable[[], Sequence[Audience]], moved: Callable[[Change], None]
    ) -> None:
        """Enters the network and is found in it by `audiences`, until cancelled.

        `moved` is told when this machine's addresses, or its clock, changed; connections over
        addresses that are gone are closed by then.

        These are nobody's: each is begun again if a fault stops it. The host's own ends the node.
        """

        def places_wanted() -> bool:
            # An audience that may not see our addresses reaches us through relays alone.
            hidden = any(not audience.direct for audience in audiences())
            shut = self.exposure.relay_only()
            return hidden or shut or self.reachability is not Reachability.PUBLIC

        self.host.on_connect(lambda _peer: self.rendezvous.refresh())
        self.relays.on_change(self.rendezvous.refresh)
        self.outside.on_change(self.rendezvous.refresh)
        self.bootstraps.on_change(self._watch_bootstraps())
        async with trio.open_nursery() as nursery:

            def begin(service: str, serve: Callable[..., Awaitable[object]], *args: object) -> None:
                nursery.start_soon(kept, service, serve, *args)

            begin("bootstraps", self.bootstraps.run)
            begin("reachability", self.outside.run)
            begin("port mapping", self.ports.run)
            begin(
                "DHT mode", keep_dht_mode, self.host, self.bootstraps, self.outside, self.exposure
            )
            begin("exposure", self._follow_exposure)
            begin(
                "relay places",
                partial(keep_reservations, self.bootstraps, self.relays, wanted=places_wanted),
            )
            begin("TURN credentials", self.turn.run)
            begin(
                "DHT peers",
                keep_dht_servers,
                self.host,
                self.bootstraps,
                self._load_peers,
                self._save_peers,
            )
            begin("network watch", self._watch, moved)
            begin("idle connections", self.host.prune, self._needed)
            if self._config.lan:
                begin("local network", self._meet_on_lan)
            begin("records", self.rendezvous.run, audiences, self.presence)

    def _watch_bootstraps(self) -> Callable[[], None]:
        """Puts records again when a bootstrap comes back: it keeps them in memory alone."""
        lost: set[str] = set()
        before: set[str] = set()

        def changed() -> None:
            now = set(self.bootstraps.connected)
            if now & lost:
                self.rendezvous.renew()
            lost.difference_update(now)
            lost.update(before - now)
            before.clear()
            before.update(now)

        return changed

    def _needed(self, peer: str) -> bool:
        """Whether the connection to this peer stays open though nothing runs over it just now."""
        met = self._lan.nodes if self._lan is not None else ()
        return peer in self.bootstraps.connected or peer in self.relays.relays or peer in met

    def _load_peers(self) -> tuple[str, ...]:
        return self._settings.get(DHT_PEERS)

    def _save_peers(self, peers: tuple[str, ...]) -> None:
        try:
            self._settings.put(DHT_PEERS, peers)
        except StoreError as error:  # a full disk: what was kept before is still good
            log.warning("DHT peers were not kept: %s", type(error).__name__)

    async def _watch(self, moved: Callable[[Change], None]) -> None:
        async with watch_network() as changes:
            async for change in changes:
                await self._follow(change, moved)

    async def _follow(self, change: Change, moved: Callable[[Change], None]) -> None:
        await self.host.drop_stranded()
        with contained("network watch"):
            moved(change)
        self.bootstraps.refresh()
        self.outside.refresh()
        self.ports.refresh()
        self.rendezvous.renew()
        # What still looks open may lead nowhere: another route, or a peer that gave us up.
        await self.host.probe(PROBE_SECONDS)
        self.bootstraps.refresh()

    async def _follow_exposure(self) -> None:
        """Makes all that is open what the rule says, now and whenever it has changed."""
        before = self.exposure.relay_only()
        while True:
            changed, hidden = self.exposure.changed, self.exposure.relay_only()
            for door in self._own_open if hidden else ():
                door.gone.set()
            await self.host.follow_exposure()
            if hidden != before:
                before = hidden
                self.bootstraps.refresh()
                self.outside.refresh()
                self.ports.refresh()
                self.rendezvous.renew()
            await changed.wait()

    async def _meet_on_lan(self) -> None:
        """Finds nodes of the same network and is found by them; without it all else works."""
        from onmeet_node.net.lan import open_lan  # noqa: PLC0415 - zeroconf takes 60 ms to load

        while True:
            changed = self.exposure.changed
            if self.exposure.relay_only():
                await changed.wait()
                continue
            async with open_lan(self.host) as self._lan:
                await changed.wait()
            self._lan = None

    def examine(self) -> list[Finding]:
        """What works and what does not, as findings with remedies."""
        findings = [
            *of_clock(self.bootstraps),
            *of_reachability(self.host, self.outside, asked=bool(self.bootstraps.connected)),
            *of_ports(self.ports, self.outside),
            *of_bootstraps(self.bootstraps),
            *of_dht(self.host),
            *of_relays(self.relays, self.bootstraps, self.outside),
            *of_turn(self.turn, self.bootstraps),
        ]
        if self._lan is not None and self._lan.trouble is not None:
            findings.append(poor(str(self._lan.trouble)))
        return findings


@asynccontextmanager
async def open_network(
    config: Config, store: Store, own: OwnDevices, purse: TokenPurse
) -> AsyncIterator[Network]:
    """A host that listens as `config` says. `Network.run` then enters the network.

    `purse`: what TURN is paid from, where it is lent for tokens.
    """

    def entrances() -> tuple[str, ...]:
        return tuple(dict.fromkeys((*config.bootstraps, *store.settings.get(BOOTSTRAPS))))

    exposure = Exposure(
        hidden=lambda: config.relay_only or store.settings.get(RELAY_ONLY),
        entrances=entrances,
        listen=config.listen,
    )
    bootstraps = entrances()
    server = starts_as_server(
        listens=bool(config.listen), bootstraps=bool(bootstraps), hidden=exposure.relay_only()
    )
    settings = HostConfig(listen=config.listen, server=server, exposure=exposure)
    async with open_host(settings) as host:
        yield Network(config, store, own, host, bootstraps, purse)
