"""The node's side of the network, put together: host, relays, bootstraps, LAN and records."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio

from onmeet_node.config import Config
from onmeet_node.identity.audience import Audience
from onmeet_node.identity.keys import IdentityKey
from onmeet_node.identity.record import Presence
from onmeet_node.net.bootstraps import Bootstraps
from onmeet_node.net.errors import LanUnavailable, NetError
from onmeet_node.net.host import Host, HostConfig, open_host
from onmeet_node.net.places import keep_places
from onmeet_node.net.relay import RelayClient
from onmeet_node.net.rendezvous import Rendezvous
from onmeet_node.net.turn import TurnServers
from onmeet_node.profiles import CAPS
from onmeet_node.store import Store
from onmeet_node.store.settings import BOOTSTRAPS, REGION

log = logging.getLogger(__name__)

CODE_HINTS = 2
"""Bootstraps named in a code: one more in case the first is down, and the code stays short."""

WITHDRAW_SECONDS = 1.0
"""To take this node out of its records; else they say where it was for up to two hours."""


class Network:
    """Everything of `net/`, wired to one store and one identity. Made by `open_network`."""

    def __init__(self, config: Config, store: Store, key: IdentityKey, host: Host) -> None:
        self.host = host
        self.relays = RelayClient(host)
        self.rendezvous = Rendezvous(host, key)
        self._config = config
        self._lan_problem: str | None = None
        self.bootstraps = Bootstraps(
            host,
            tuple(dict.fromkeys((*config.bootstraps, *store.settings.get(BOOTSTRAPS)))),
            region=config.region or store.settings.get(REGION),
        )
        self.turn = TurnServers(host, self.bootstraps)

    @property
    def peer_id(self) -> str:
        """The PeerId, fresh at every start."""
        return self.host.peer_id

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it listens."""
        return self.host.addresses

    def hints(self) -> tuple[str, ...]:
        """What a contact code of ours says about where to begin."""
        return self.bootstraps.addresses[:CODE_HINTS]

    def presence(self, audience: Audience) -> Presence:
        """What a record for this audience says of this node."""
        return Presence(
            peer_id=self.host.peer_id,
            addresses=self.host.addresses if audience.direct else (),
            relays=self.relays.addresses,
            caps=CAPS,
        )

    async def withdraw(self) -> None:
        """Takes this node out of its records, so that nobody dials where it was."""
        try:
            await self.rendezvous.withdraw()
        except NetError as error:
            log.debug("records could not be withdrawn: %s", type(error).__name__)

    async def run(self, audiences: Callable[[], Sequence[Audience]]) -> None:
        """Enters the network and is found in it by `audiences`, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.bootstraps.run)
            nursery.start_soon(keep_places, self.bootstraps, self.relays)
            nursery.start_soon(self.turn.run)
            if self._config.lan:
                nursery.start_soon(self._meet_on_lan)
            self.host.on_connect(lambda _peer: self.rendezvous.refresh())
            self.relays.on_change(self.rendezvous.refresh)
            nursery.start_soon(self.rendezvous.run, audiences, self.presence)

    async def _meet_on_lan(self) -> None:
        """Finds nodes of the same network and is found by them; without it all else works."""
        from onmeet_node.net.lan import open_lan  # noqa: PLC0415 - zeroconf takes 60 ms to load

        try:
            async with open_lan(self.host):
                await trio.sleep_forever()
        except LanUnavailable as error:
            self._lan_problem = str(error)

    def examine(self) -> list[dict[str, Any]]:
        """What works and what does not, as findings with remedies."""
        findings = []
        if self.host.addresses:
            where = ", ".join(self.host.addresses)
            findings.append(finding("good", f"Listening: {where}"))
        else:
            findings.append(
                finding(
                    "poor",
                    "This node listens nowhere: others reach it through relays alone.",
                    "Give an address to listen on: onmeet up --listen /ip4/0.0.0.0/tcp/0",
                )
            )
        count = len(self.host.dht_peers())
        if count:
            findings.append(finding("good", f"{count} nodes of the DHT are known."))
        else:
            findings.append(
                finding(
                    "bad",
                    "No other node is known: nobody can be looked up.",
                    "Name a bootstrap (onmeet up --bootstrap MULTIADDR), or start a second node "
                    "on this network.",
                )
            )
        if self.relays.relays:
            findings.append(finding("good", f"{len(self.relays.relays)} relays hold a place."))
        if self._lan_problem is not None:
            findings.append(finding("poor", self._lan_problem))
        return findings


def finding(level: str, what: str, remedy: str = "") -> dict[str, Any]:
    """One line of ``onmeet doctor``; `level` is good, poor or bad."""
    return {"level": level, "what": what, "remedy": remedy}


@asynccontextmanager
async def open_network(config: Config, store: Store, key: IdentityKey) -> AsyncIterator[Network]:
    """A host that listens as `config` says. `Network.run` then enters the network."""
    async with open_host(HostConfig(listen=config.listen, server=bool(config.listen))) as host:
        network = Network(config, store, key, host)
        try:
            yield network
        finally:
            with trio.CancelScope(shield=True), trio.move_on_after(WITHDRAW_SECONDS):
                await network.withdraw()
