"""Two sessions that call each other, and a lossy path between them."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import re
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import av
import trio

from onmeet_node.media.endpoint import MediaEvent, SessionConfig
from onmeet_node.media.engine.endpoint import AiortcEndpoint, AiortcSession
from onmeet_node.media.engine.test_picture import read_counter
from onmeet_node.protocol.wire.messages import Kind

AUDIO = frozenset({Kind.AUDIO})
BOTH = frozenset(Kind)


def run_asyncio(main: Coroutine[Any, Any, None]) -> None:
    """`asyncio.run` in a thread of its own: in ours Playwright's loop runs, once it was begun."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, main).result()


async def recorded() -> None:
    """Waits until every recording has its end: a session closes in 2 s whatever its disk does."""
    for thread in threading.enumerate():
        if thread.name == "onmeet-recorder":
            with trio.fail_after(60):
                await trio.to_thread.run_sync(thread.join, abandon_on_cancel=True)


class Listener:
    """Keeps the events of a session and lets a test wait for one."""

    def __init__(self, session: AiortcSession) -> None:
        self.session = session
        self.seen: list[MediaEvent] = []
        self._changed = trio.Event()

    async def run(self) -> None:
        async for event in self.session.events:
            self.seen.append(event)
            self._changed.set()
            self._changed = trio.Event()

    def have(self, kind: type[MediaEvent]) -> list[MediaEvent]:
        return [event for event in self.seen if isinstance(event, kind)]

    async def wait_for(self, wanted: MediaEvent | type[MediaEvent], seconds: float = 10) -> float:
        """Returns the time at which it was there."""

        def here() -> bool:
            if isinstance(wanted, type):
                return bool(self.have(wanted))
            return wanted in self.seen

        with trio.fail_after(seconds):
            while not here():
                await self._changed.wait()
        return trio.current_time()


@dataclass
class Pair:
    """The two ends of a call: `a` offers."""

    a: Listener
    b: Listener
    nursery: trio.Nursery = field(repr=False)


@asynccontextmanager
async def open_pair(
    endpoint: AiortcEndpoint,
    config: SessionConfig,
    *,
    other: SessionConfig | None = None,
    over: Callable[[str], str] = str,
    endpoint_b: AiortcEndpoint | None = None,
) -> AsyncIterator[Pair]:
    """Two sessions with their descriptions exchanged; `over` rewrites each description."""
    a = await endpoint.open_session(config)
    b = await (endpoint_b or endpoint).open_session(other or config)
    async with trio.open_nursery() as nursery:
        pair = Pair(Listener(a), Listener(b), nursery)
        nursery.start_soon(pair.a.run)
        nursery.start_soon(pair.b.run)
        try:
            answer = await b.accept_offer(over(await a.create_offer()))
            await a.accept_answer(over(answer))
            yield pair
        finally:
            await a.aclose()
            await b.aclose()


@dataclass
class Shape:
    """What happens to packets; may be changed while they flow."""

    loss: float = 0.0
    delay: float = 0.0
    """Seconds one way."""
    rate: float | None = None
    """Bits per second, each way."""
    queue: float = 0.3
    """Seconds that packets may wait for their turn; then they are dropped."""
    largest: int | None = None
    """Bytes of a UDP packet's content that pass; of more, nobody is told."""


class LossyPath:
    """Two UDP sockets that stand for the two ends of a call and pass packets between them.

    `rewrite` puts them in the place of the candidates in a description, so neither end is patched.
    """

    def __init__(self, shape: Shape, seed: int = 1) -> None:
        self.shape = shape
        self.passed = self.dropped = self.too_large = 0
        self._random = random.Random(seed)
        self._sockets = [trio.socket.socket(type=trio.socket.SOCK_DGRAM) for _ in range(2)]
        self._real: list[tuple[str, int]] = []
        self._due: list[tuple[float, int, int, bytes]] = []
        self._order = itertools.count()
        self._free_at = [0.0, 0.0]
        self._more = trio.Event()

    def rewrite(self, sdp: str) -> str:
        """Called for the offer first, then for the answer."""
        end = len(self._real)
        port = self._sockets[end].getsockname()[1]
        candidate = re.compile(
            r"a=candidate:(?P<f>\S+) 1 udp (?P<p>\d+) (?P<ip>[\d.]+) (?P<port>\d+) typ host"
        )
        match = candidate.search(sdp)
        assert match is not None, "an IPv4 host candidate is needed"
        self._real.append((match["ip"], int(match["port"])))
        lines = [line for line in sdp.split("\r\n") if not line.startswith("a=candidate:")]
        ours = f"a=candidate:{match['f']} 1 udp {match['p']} {match['ip']} {port} typ host"
        out: list[str] = []
        for line in lines:
            out.append(line)
            if line.startswith("m="):
                out.append(ours)
        return "\r\n".join(out)

    async def start(self, nursery: trio.Nursery) -> None:
        for socket in self._sockets:
            await socket.bind(("0.0.0.0", 0))
        nursery.start_soon(self._receive, 0)
        nursery.start_soon(self._receive, 1)
        nursery.start_soon(self._send)

    async def _receive(self, end: int) -> None:
        """Packets for `end`: they leave from the other socket, to where `end` really is."""
        while True:
            try:
                data, _ = await self._sockets[end].recvfrom(4096)
            except OSError:  # the last packet met a closed port
                continue
            if self.shape.largest is not None and len(data) > self.shape.largest:
                self.too_large += 1
                continue
            now, shape = trio.current_time(), self.shape
            if self._random.random() < shape.loss:
                self.dropped += 1
                continue
            at = now + shape.delay
            if shape.rate is not None:
                begin = max(now, self._free_at[end])
                if begin - now > shape.queue:
                    self.dropped += 1
                    continue
                self._free_at[end] = begin + len(data) * 8 / shape.rate
                at += self._free_at[end] - now
            heapq.heappush(self._due, (at, next(self._order), end, data))
            self._more.set()

    async def _send(self) -> None:
        while True:
            while not self._due:
                self._more = trio.Event()
                await self._more.wait()
            wait = self._due[0][0] - trio.current_time()
            if wait > 0.0005:
                self._more = trio.Event()
                with trio.move_on_after(wait):
                    await self._more.wait()
                continue
            _, _, end, data = heapq.heappop(self._due)
            if end < len(self._real):
                self.passed += 1
                try:
                    await self._sockets[1 - end].sendto(data, self._real[end])
                except OSError:  # an end has closed
                    self.dropped += 1

    def close(self) -> None:
        for socket in self._sockets:
            socket.close()


@asynccontextmanager
async def open_lossy_path(shape: Shape, seed: int = 1) -> AsyncIterator[LossyPath]:
    path = LossyPath(shape, seed)
    async with trio.open_nursery() as nursery:
        try:
            await path.start(nursery)
            yield path
        finally:
            nursery.cancel_scope.cancel()
            path.close()


def shown(frame: av.VideoFrame, size: tuple[int, int]) -> int | None:
    """The number in the middle of a frame, where a picture of this shape is fitted in whole."""
    scale = min(frame.width / size[0], frame.height / size[1])
    width, height = round(size[0] * scale), round(size[1] * scale)
    x, y = (frame.width - width) // 2, (frame.height - height) // 2
    gray = frame.reformat(format="gray")
    line, data = gray.planes[0].line_size, bytes(gray.planes[0])
    inner = av.VideoFrame(width, height, "gray")
    wide = inner.planes[0].line_size
    rows = (data[(y + n) * line + x :][:width] + bytes(wide - width) for n in range(height))
    inner.planes[0].update(b"".join(rows))
    return read_counter(inner)
