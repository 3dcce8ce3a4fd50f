"""A bootstrap put together: one host, and on it the DHT, the relay and the answers about itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs

from bootstrap.api import Api
from bootstrap.config import BootstrapConfig
from bootstrap.host import network_of, open_bootstrap_host, remote_address
from bootstrap.limits import Caps
from bootstrap.relay import Relay, RelayLimits, open_relay
from onmeet_node.net.host import Host


@attrs.frozen
class Counts:
    """What is going on, in numbers alone: nothing about who."""

    connections: int
    reservations: int
    circuits: int


class Bootstrap:
    """A running bootstrap. Made by `open_bootstrap`."""

    def __init__(self, host: Host, relay: Relay) -> None:
        self._host = host
        self._relay = relay

    @property
    def peer_id(self) -> str:
        """Its PeerId, the same at every start with the same key."""
        return self._host.peer_id

    @property
    def addresses(self) -> tuple[str, ...]:
        """Multiaddrs with ``/p2p/…`` by which nodes enter."""
        return self._host.addresses

    def counts(self) -> Counts:
        """What is held now."""
        return Counts(
            connections=self._host.stats().connections,
            reservations=self._relay.reservations,
            circuits=self._relay.circuits,
        )


def relay_limits(config: BootstrapConfig) -> RelayLimits:
    """What the relay lends, as configured."""
    return RelayLimits(
        reservations=Caps(config.max_reservations, config.reservations_per_network, per_peer=1),
        circuits=Caps(
            config.max_circuits, config.circuits_per_network, per_peer=config.circuits_per_node
        ),
        circuits_to_one=config.circuits_to_one,
        reservation_seconds=config.reservation_seconds,
        circuit_seconds=config.circuit_seconds,
        circuit_bytes=config.circuit_bytes,
    )


@asynccontextmanager
async def open_bootstrap(config: BootstrapConfig) -> AsyncIterator[Bootstrap]:
    """Serves for the length of the block, in this process, and writes nothing to disk.

    Raises `StartFailed` when an address cannot be listened on.
    """
    async with (
        open_bootstrap_host(config) as host,
        open_relay(host, relay_limits(config), prefix_of=network_of) as relay,
    ):
        Api(host, config, address_of=remote_address)
        yield Bootstrap(host, relay)
