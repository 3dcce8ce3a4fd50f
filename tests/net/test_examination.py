"""What `onmeet doctor` says of the network: the right cause, with a remedy for each."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from onmeet_bootstrap.app import open_bootstrap
from onmeet_bootstrap.config.model import BootstrapConfig, ephemeral_config

from onmeet_node.findings import Finding
from onmeet_node.net.bootstraps.bootstraps import Bootstraps, BootstrapState
from onmeet_node.net.bootstraps.reachability import Reachability, ReachabilityProbe
from onmeet_node.net.bootstraps.turn import TurnServers
from onmeet_node.net.examine import (
    of_bootstraps,
    of_clock,
    of_dht,
    of_ports,
    of_reachability,
    of_relays,
    of_turn,
)
from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from onmeet_node.net.portmap.mapper import Opened, PortMapper
from onmeet_node.net.portmap.natpmp import PortMapping
from onmeet_node.net.relay.client import RelayClient
from onmeet_node.net.relay.reservations import keep_reservations
from tests.fakes.hosts import until

pytestmark = pytest.mark.real
LOOPBACK = ("/ip4/127.0.0.1/tcp/0",)


class Examined:
    """A node as far as it is examined."""

    def __init__(self, host, bootstraps: Bootstraps) -> None:
        self.host = host
        self.bootstraps = bootstraps
        self.outside = ReachabilityProbe(host, bootstraps)
        self.relays = RelayClient(host)
        self.ports = PortMapper(host, self.outside, ways=())
        self.turn = TurnServers(host, bootstraps)

    def findings(self) -> list[Finding]:
        return [
            *of_clock(self.bootstraps),
            *of_reachability(self.host, self.outside, asked=bool(self.bootstraps.connected)),
            *of_ports(self.ports, self.outside),
            *of_bootstraps(self.bootstraps),
            *of_dht(self.host),
            *of_relays(self.relays, self.bootstraps, self.outside),
            *of_turn(self.turn, self.bootstraps),
        ]

    def says(self, level: str, *words: str) -> Finding:
        """The first finding of this level with all these words."""
        found, *_ = [
            f for f in self.findings() if f.level == level and all(w in f.what for w in words)
        ]
        assert level == "good" or found.remedy or "yet" in found.what
        return found


@asynccontextmanager
async def examined(
    addresses=(), *, listen=LOOPBACK, region: str | None = None, off: float = 0
) -> AsyncIterator[Examined]:
    async with open_host(HostConfig(listen=listen)) as host:
        known = Bootstraps(host, addresses, region=region, wall_clock=lambda: time.time() + off)
        node = Examined(host, known)
        async with trio.open_nursery() as nursery:
            for run in (known.run, node.outside.run, node.turn.run):
                nursery.start_soon(run)
            nursery.start_soon(keep_reservations, known, node.relays)
            with trio.fail_after(40):
                yield node
            nursery.cancel_scope.cancel()


async def test_a_node_that_works_has_nothing_bad_to_say():
    config = attrs.evolve(ephemeral_config(), region="de")
    async with open_bootstrap(config) as bootstrap, examined(bootstrap.addresses) as node:
        await until(lambda: node.outside.reachability is Reachability.PUBLIC, 20)
        await until(lambda: node.relays.relays, 20)
        node.says("good", "clock")
        node.says("good", "Bootstrap 1", "Germany")
        node.says("good", "reach this node directly")
        node.says("good", "relay holds a place")
        node.says("good", "1 nodes of the DHT")
        node.says("poor", "No TURN server is lent")
        assert not [f for f in node.findings() if f.level == "bad"]


async def test_without_a_bootstrap_it_says_that_nobody_is_known():
    async with examined() as node:
        assert "bootstrap" in node.says("bad", "No other node is known").remedy
        node.says("poor", "no bootstrap tells")


async def test_a_dead_bootstrap_is_named():
    async with open_bootstrap(ephemeral_config()) as gone:
        dead = gone.addresses
    async with examined(dead) as node:
        await until(lambda: node.bootstraps.known[0].problem, 20)
        node.says("poor", "Bootstrap 1", "does not answer")
        node.says("bad", "No bootstrap can be used")


async def test_a_bootstrap_of_another_region_is_named_with_both_regions():
    config: BootstrapConfig = attrs.evolve(ephemeral_config(), region="de")
    async with open_bootstrap(config) as theirs, examined(theirs.addresses, region="ca") as node:
        await until(lambda: node.bootstraps.known[0].standing is BootstrapState.REFUSED, 20)
        found = node.says("bad", "Bootstrap 1", "Germany", "Canada")
        assert "region" in found.remedy


@pytest.mark.parametrize(("off", "says"), [(720, "minutes ahead"), (-720, "12 minutes behind")])
async def test_a_wrong_clock_is_named_with_how_to_set_it(off: float, says: str):
    async with open_bootstrap(ephemeral_config()) as one, examined(one.addresses, off=off) as node:
        await until(lambda: node.bootstraps.known[0].ahead is not None, 20)
        assert "timedatectl" in node.says("bad", "clock", says).remedy


async def test_a_node_that_listens_nowhere_is_told_how_to():
    async with (
        open_bootstrap(ephemeral_config()) as one,
        examined(one.addresses, listen=()) as node,
    ):
        await node.bootstraps.wait_connected()
        assert "--listen" in node.says("poor", "listens nowhere").remedy


async def test_an_open_port_that_leads_nowhere_is_told_from_one_that_does():
    async def close() -> None:
        pass

    async with examined() as node:
        node.ports.opened = Opened(PortMapping(4001, 3600), "UPnP", close)
        node.outside.reachability = Reachability.PRIVATE
        assert "second NAT" in node.says("poor", "UPnP", "do not get through").remedy
        node.outside.reachability = Reachability.PUBLIC
        node.says("good", "opened a port", "UPnP")
        node.ports.opened = None
        node.outside.reachability = Reachability.PRIVATE
        node.ports.problem = "The router opens no port for this node (it refuses). Switch on UPnP."
        assert node.says("poor", "opens no port", "it refuses").remedy == "Switch on UPnP."
