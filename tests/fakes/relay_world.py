"""A real relay and real nodes around it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio
from onmeet_bootstrap.relay import Relay, RelayLimits, open_relay

from onmeet_node.net.libp2p.open_host import Host, HostConfig, open_host
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.net.relay.client import RelayClient, through

LOCAL = ("/ip4/127.0.0.1/tcp/0",)
ECHO = "/test/echo/1"
TEST_LIMIT = 40.0


async def echo(stream: Stream) -> None:
    async for data in stream:
        await stream.send_all(data)
    await stream.send_eof()


@dataclass
class Person:
    """A node that listens nowhere: it is reached through a relay or not at all."""

    host: Host
    client: RelayClient

    @property
    def peer(self) -> str:
        return self.host.peer_id


class RelayWorld:
    """One relay, and nodes that live as long as the test."""

    def __init__(self, host: Host, relay: Relay, nursery: trio.Nursery) -> None:
        self.host = host
        self.relay = relay
        self._nursery = nursery
        self.over = trio.Event()

    @property
    def address(self) -> str:
        return self.host.addresses[0]

    async def person(self) -> Person:
        person: Person = await self._nursery.start(self._live)
        return person

    async def _live(self, *, task_status: trio.TaskStatus[Person]) -> None:
        async with open_host(HostConfig(listen=())) as host:
            host.handle(ECHO, echo, limit=100)
            task_status.started(Person(host, RelayClient(host)))
            await self.over.wait()

    async def reserved(self) -> Person:
        person = await self.person()
        await person.client.reserve([self.address])
        return person

    async def call(self, caller: Person, callee: Person) -> Stream:
        """A stream from one to the other, through a circuit."""
        await caller.host.connect([through(self.address, callee.peer)])
        return await caller.host.open_stream(callee.peer, ECHO)


@asynccontextmanager
async def open_relay_world(limits: RelayLimits | None = None) -> AsyncIterator[RelayWorld]:
    async with (
        open_host(HostConfig(listen=LOCAL, server=True)) as host,
        open_relay(host, limits or RelayLimits(), prefix_of=lambda _: "net") as relay,
        trio.open_nursery() as nursery,
    ):
        world = RelayWorld(host, relay, nursery)
        try:
            with trio.fail_after(TEST_LIMIT):
                yield world
        finally:
            # NOTE: a host that is cancelled, rather than left, does not close its sockets.
            world.over.set()


async def until(condition: Callable[[], bool], reason: str) -> None:
    """Waits for what has no event to wait for: counters of another task. 10 s at most."""
    with trio.move_on_after(10):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.01)
    assert condition(), reason


async def said_back(stream: Stream, text: bytes) -> bytes:
    """What the far end of an echo stream returns for `text`."""
    await stream.send_all(text)
    got = b""
    while len(got) < len(text):
        more = await stream.receive_some()
        if not more:
            break
        got += more
    return got
