"""A network in memory, and nodes in it that are real but for what carries them.

Identity, homes, codes, channels, calls and rooms are those of every node. Hosts, DHT and media are
in memory: nothing is opened but files in a temporary directory, nothing waits for real time, and
under a mock clock (pytest-trio's `autojump_clock`) a call takes milliseconds.

    async with open_memory_network() as network:
        alice, bob = await network.node("Alice"), await network.node("Bob")
        await befriend(alice, bob)
        async with bob.incoming() as ringing, alice.call("Bob") as call:
            (await ringing.receive()).accept()
            await call.connected()
"""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import cast

import attrs
import trio
from nacl.signing import SigningKey

from onmeet_node.config import Config
from onmeet_node.contacts.own_devices import OwnDevices
from onmeet_node.contacts.profile import change_profile
from onmeet_node.events import ContactConfirmed, ContactRequested, NodeEvent
from onmeet_node.media.endpoint import MediaEndpoint
from onmeet_node.net.bootstraps.tokens import TokenPurse
from onmeet_node.net.exposure import Exposure
from onmeet_node.net.libp2p.host import HostStats
from onmeet_node.net.libp2p.open_host import Host, HostConfig
from onmeet_node.net.network_changes import Change
from onmeet_node.node.network import Network
from onmeet_node.node.node import Node
from onmeet_node.node.opening import NodeSurroundings, open_node_in
from onmeet_node.protocol.identity.audience import Audience
from onmeet_node.protocol.wire.peer_id import peer_id_of
from onmeet_node.store import (
    DatabaseKey,
    KeyFile,
    Store,
    Unlock,
    create_home,
    find_home_key,
    open_home,
)
from onmeet_node.testing.dht import FakeDht
from onmeet_node.testing.hosts import FakeHost, FakeNetwork
from onmeet_node.testing.media import FakeEndpoint, FakeStudio

REACHABLE_SECONDS = 60.0
DELAY = 0.02
"""Seconds that anything takes from one node to another, unless a test says otherwise."""


def make_home(home: Path | str, name: str = "") -> Path:
    """A new home with a key file and, if given, a name in its profile: for `open_node`.

    Raises `HomeExists` if there is one already.
    """
    home = Path(home)
    create_home(home, KeyFile(), secrets.token_bytes(32), now=int(time.time()))
    with open_home(home, KeyFile()) as store:
        change_profile(store, {"name": name} if name else {}, {})
    return home


class MemoryHost(FakeHost):
    """What `Network` needs of a libp2p host besides streams: a DHT, and nobody else."""

    def __init__(self, network: FakeNetwork, dht: FakeDht, config: HostConfig) -> None:
        super().__init__(network, peer_id_of(bytes(SigningKey.generate().verify_key)))
        network.hosts[self.peer_id] = self
        self.config = config
        self._dht = dht

    @property
    def addresses(self) -> tuple[str, ...]:
        """One that nothing listens at; who dials goes by the PeerId."""
        return (f"/ip4/192.0.2.1/tcp/4001/p2p/{self.peer_id}",)

    async def put(self, key: str, value: bytes) -> int:
        """See `net.presence.publisher.Records`."""
        return await self._dht.put(key, value)

    async def get(self, key: str) -> bytes | None:
        """See `net.presence.publisher.Records`."""
        return await self._dht.get(key)

    def on_connect(self, _notify: Callable[[str], None]) -> Callable[[], None]:
        """Nothing here waits for connections."""
        return lambda: None

    on_disconnect = on_connect

    def dht_peers(self) -> tuple[str, ...]:
        """Everybody else, so that nobody seems alone."""
        return tuple(peer for peer in self._network.hosts if peer != self.peer_id)

    def stats(self) -> HostStats:
        """Counts of what is open now."""
        return HostStats(len(self._connected), len(self._connected), 0, 0, len(self._handlers))


class MemoryNetwork(Network):
    """`Network` where nothing has to be found out: everybody is there, and reached."""

    async def run(
        self, audiences: Callable[[], Sequence[Audience]], moved: Callable[[Change], None]
    ) -> None:
        """Publishes who is here, until cancelled."""
        await self.rendezvous.run(audiences, self.presence)


@attrs.frozen
class KeptNode:
    """What a test's network keeps of one of its nodes."""

    media: FakeEndpoint
    stopped: trio.Event = attrs.field(factory=trio.Event)
    never: trio.Event = attrs.field(factory=trio.Event)


@attrs.frozen
class MemoryNodes:
    """Nodes that reach each other in memory. Made by `open_memory_network`."""

    homes: Path
    """Where their homes are; gone at the end."""
    hosts: FakeNetwork
    """What is between them: its `delay`, `cut` and `vanish` make trouble."""
    dht: FakeDht
    """Where their records are; `down` makes everybody lost."""
    studio: FakeStudio
    """Where their media meets."""
    _nursery: trio.Nursery
    _kept: dict[bytes, KeptNode] = attrs.field(factory=dict)

    async def node(self, name: str, **settings: object) -> Node:
        """A node of this name, reachable, until the network ends. `settings` are `Config`'s.

        The same name again, once its node has stopped (`stop`), is the same person.
        """
        home = self.homes / name
        if not home.exists():
            make_home(home, name)
        config = Config(
            home=home,
            **{"listen": (), "lan": False, "source": "test", **settings},  # type: ignore[arg-type]
        )
        node: Node = await self._nursery.start(self._run, config)
        return node

    async def _run(self, config: Config, task_status: trio.TaskStatus[Node]) -> None:
        media = self.studio.endpoint()
        surroundings = NodeSurroundings(self._open_network, lambda: _opened(media), _find_key)
        async with open_node_in(surroundings, config, unlock=KeyFile()) as node:
            with trio.fail_after(REACHABLE_SECONDS):
                await node.reachable.wait()
            kept = self._kept[node.identity] = KeptNode(media)
            task_status.started(node)
            await kept.never.wait()  # the node is left by its `stop`
        kept.stopped.set()

    async def stop(self, node: Node) -> None:
        """Ends a node in order, and returns when it is gone."""
        node.stop()
        await self._kept[node.identity].stopped.wait()

    def vanish(self, node: Node) -> None:
        """It neither reaches anybody nor is reached from now on, and nobody is told."""
        self.hosts.vanish(node.started.peer_id)
        self._kept[node.identity].media.cut()

    def _open_network(
        self, config: Config, store: Store, own: OwnDevices, purse: TokenPurse
    ) -> AbstractAsyncContextManager[Network]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Network]:
            exposure = Exposure(hidden=lambda: config.relay_only, entrances=tuple, listen=())
            host = MemoryHost(self.hosts, self.dht, HostConfig(listen=(), exposure=exposure))
            # As much of a host as a node that is here needs of one.
            yield MemoryNetwork(config, store, own, cast("Host", host), (), purse)
            self.hosts.vanish(host.peer_id)
            await trio.lowlevel.checkpoint()

        return opened()


@asynccontextmanager
async def _opened(media: MediaEndpoint) -> AsyncIterator[MediaEndpoint]:
    await trio.lowlevel.checkpoint()
    yield media


async def _find_key(home: Path, unlock: Unlock) -> DatabaseKey:
    # In this thread: a mock clock would jump while it waits for another one.
    await trio.lowlevel.checkpoint()
    return find_home_key(home, unlock)


@asynccontextmanager
async def open_memory_network(*, delay: float = DELAY) -> AsyncIterator[MemoryNodes]:
    """A network in memory while the block runs; nodes that still run then are stopped.

    `delay`: seconds from one node to another, of trio's clock.
    """
    with tempfile.TemporaryDirectory(prefix="onmeet-") as homes:
        async with trio.open_nursery() as nursery:
            yield MemoryNodes(
                Path(homes),
                FakeNetwork(nursery, lambda: delay),
                FakeDht(time.time, latency=delay),
                FakeStudio(nursery),
                nursery,
            )
            nursery.cancel_scope.cancel()


async def _until(events: trio.MemoryReceiveChannel[NodeEvent], kind: type[NodeEvent]) -> None:
    async for event in events:
        if isinstance(event, kind):
            return


async def befriend(asking: Node, asked: Node) -> None:
    """`asking` adds `asked` by a code, who accepts; returns when either can call the other."""
    code = asked.contacts.codes.new("test", direct=True)
    await asked.published()
    with asked.watch() as seen, asking.watch() as answered:
        asking.contacts.add(code.uri)
        await asking.deliver(asked.identity)
        await _until(seen, ContactRequested)
        asked.contacts.accept(asking.identity)
        await _until(answered, ContactConfirmed)
