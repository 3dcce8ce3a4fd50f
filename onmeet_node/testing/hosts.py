"""Hosts joined by streams in memory that take time: the part of `Host` that channels use."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import trio

from onmeet_node.net.errors import PeerUnreachable, StreamRefused


class _Pipe:
    """One direction. What is sent arrives `delay()` seconds later, in order."""

    def __init__(self, delay: Callable[[], float]) -> None:
        self._delay = delay
        self._due: deque[tuple[float, bytes]] = deque()
        self._last = 0.0
        self.broken = False
        self._changed = trio.Event()

    def notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def send(self, data: bytes) -> None:
        self._last = max(self._last, trio.current_time() + self._delay())
        self._due.append((self._last, data))
        self.notify()

    async def receive(self) -> bytes:
        while True:
            if self.broken:
                raise trio.BrokenResourceError
            due = self._due[0][0] if self._due else math.inf
            if due <= trio.current_time():
                data = self._due.popleft()[1]
                if not data:
                    self._due.append((0.0, b""))
                return data
            with trio.move_on_at(due):
                await self._changed.wait()


class FakeStream(trio.abc.Stream):
    """One end; like `net.libp2p.streams.Stream`, as far as channels see."""

    network = "192.0.2.0"

    def __init__(self, peer_id: str, outgoing: _Pipe, incoming: _Pipe) -> None:
        self.peer_id = peer_id
        self._out, self._in = outgoing, incoming
        self._closed = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        if self._closed:
            raise trio.ClosedResourceError
        if self._out.broken:
            raise trio.BrokenResourceError
        if data:
            self._out.send(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        if self._closed:
            raise trio.ClosedResourceError
        return await self._in.receive()

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._out.send(b"")
        await trio.lowlevel.checkpoint()

    def abort(self) -> None:
        self._closed = True
        for pipe in (self._out, self._in):
            pipe.broken = True
            pipe.notify()


def piped(near: str, far: str, delay: Callable[[], float]) -> tuple[FakeStream, FakeStream]:
    """A stream between two, by name: the end that opened it, and the other one."""
    there, back = _Pipe(delay), _Pipe(delay)
    return FakeStream(far, there, back), FakeStream(near, back, there)


class FakeNetwork:
    """All hosts. `delay` gives the seconds the next piece of data takes."""

    def __init__(self, nursery: trio.Nursery, delay: Callable[[], float] = lambda: 0.02) -> None:
        self.nursery = nursery
        self.delay = delay
        self.hosts: dict[str, FakeHost] = {}
        self.streams: list[tuple[str, str, FakeStream, FakeStream]] = []

    def host(self, peer_id: str) -> FakeHost:
        self.hosts[peer_id] = FakeHost(self, peer_id)
        return self.hosts[peer_id]

    def cut(self) -> None:
        """Break every stream, as when a connection is lost."""
        for *_, near, _far in self.streams:
            near.abort()

    def mute(self, sender: str) -> None:
        """From now on nothing that this host sends arrives, and nobody is told."""
        for opener, other, near, far in self.streams:
            if sender in {opener, other}:
                (near if opener == sender else far)._out._delay = lambda: math.inf

    def vanish(self, name: str) -> None:
        """A host is gone, with its connections, and neither reaches nor is reached."""
        self.hosts[name].up = False
        for host in self.hosts.values():
            host._connected.discard(name)
        self.hosts[name]._connected.clear()
        for opener, other, near, _ in self.streams:
            if name in {opener, other}:
                near.abort()


class FakeHost:
    """One of them. `up` False: it cannot be connected to, and connects to nobody."""

    def __init__(self, network: FakeNetwork, peer_id: str) -> None:
        self.peer_id = peer_id
        self.up = True
        self.dials = 0
        self.suspected: list[str] = []
        self.direct: Callable[[str], None] = lambda _peer: None
        """Tell it that there is a direct connection to a peer now."""
        self._network = network
        self._handlers: dict[str, Callable[[FakeStream], Awaitable[None]]] = {}
        self._connected: set[str] = set()

    @property
    def addresses(self) -> tuple[str, ...]:
        return (f"/memory/1/p2p/{self.peer_id}",)

    def connected(self, peer: str) -> bool:
        return peer in self._connected

    async def connect(self, addresses: Sequence[str]) -> str:
        self.dials += 1
        peer = addresses[0].rpartition("/")[2] if addresses else ""
        await trio.sleep(self._network.delay())
        other = self._network.hosts.get(peer)
        if other is None or not other.up or not self.up:
            raise PeerUnreachable(peer)
        self._connected.add(peer)
        other._connected.add(self.peer_id)
        return peer

    async def open_stream(self, peer: str, protocol: str) -> FakeStream:
        await trio.sleep(self._network.delay())
        other = self._network.hosts[peer]
        handler = other._handlers.get(protocol)
        if handler is None:
            raise StreamRefused(peer, protocol, "not supported", unknown=True)
        near, far = piped(self.peer_id, peer, self._network.delay)
        self._network.streams.append((self.peer_id, peer, near, far))
        self._network.nursery.start_soon(self._serve, handler, far)
        return near

    async def _serve(
        self, handler: Callable[[FakeStream], Awaitable[None]], far: FakeStream
    ) -> None:
        await handler(far)
        await far.aclose()

    def suspect(self, peer: str) -> None:
        self.suspected.append(peer)

    async def verify(self, peer: str) -> None:
        await trio.lowlevel.checkpoint()

    def on_direct(self, notify: Callable[[str], None]) -> Callable[[], None]:
        self.direct = notify
        return lambda: None

    def handle(
        self, protocol: str, handler: Callable[[FakeStream], Awaitable[None]], **_limits: object
    ) -> None:
        self._handlers[protocol] = handler

    def stop_handling(self, protocol: str) -> None:
        self._handlers.pop(protocol, None)
