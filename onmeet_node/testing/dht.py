"""A DHT in memory that stores and judges records as real servers do, and its clock."""

from __future__ import annotations

from collections.abc import Callable

import trio

from onmeet_node.net.errors import PutFailed
from onmeet_node.protocol.wire import record
from onmeet_node.protocol.wire.errors import RecordError

START = 1_900_000_000 - 1_900_000_000 % 21_600
"""Unix seconds at trio time 0: the first second of an epoch."""


class FakeClock:
    """Unix seconds that pass with trio's (mock) clock; `ahead` makes it wrong."""

    def __init__(self, start: float = START, ahead: float = 0.0) -> None:
        self._began = trio.current_time()
        self._start = start
        self.ahead = ahead

    def __call__(self) -> float:
        return self._start + trio.current_time() - self._began + self.ahead


class FakeDht:
    """One shared store. `down` makes every call fail, `hanging` every lookup; 0 `peers` store."""

    def __init__(self, clock: Callable[[], float], latency: float = 0.05) -> None:
        self.clock = clock
        self.latency = latency
        self.down = False
        self.hanging = False
        self.peers = 3
        self.stored: dict[str, bytes] = {}
        self.puts: list[tuple[float, str, bytes]] = []
        self.gets: list[tuple[float, str]] = []

    async def put(self, key: str, value: bytes) -> int:
        await trio.sleep(self.latency)
        if self.down:
            raise PutFailed(key, self.peers)
        if not self.peers:
            return 0
        record.verify(key, value, int(self.clock()))
        self.puts.append((self.clock(), key, value))
        held = self.stored.get(key)
        if held is None or record.select([held, value]) == 1:
            self.stored[key] = value
        return self.peers

    async def get(self, key: str) -> bytes | None:
        self.gets.append((self.clock(), key))
        if self.hanging:
            await trio.sleep_forever()
        await trio.sleep(self.latency)
        if self.down:
            raise PutFailed(key, self.peers)
        value = self.stored.get(key)
        if value is None:
            return None
        try:
            record.verify(key, value, int(self.clock()))
        except RecordError:
            return None
        return value
