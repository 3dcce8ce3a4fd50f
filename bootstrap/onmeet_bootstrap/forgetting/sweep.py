"""What the library remembers of nodes that left is dropped here, and the memory it lay in wiped.

py-libp2p keeps a peer it met for hours after its connection is gone (address book, backoff of the
auto-connector). None of that is of use to a bootstrap, which dials nobody (P2).
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import attrs
import trio

from onmeet_bootstrap.host import PeerMemory
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.net.rates import RateLimit
from onmeet_node.process.faults import contained

SETTLE_SECONDS = 1.0
"""From a node's leaving to a sweep: the library still writes about it for some milliseconds, and
nodes that leave together are swept together."""
SWEEP_SECONDS = 5.0
"""Between sweeps while something is left, such as a bucket that is not full again."""

WIPING = {
    "PYTHONMALLOC": "malloc",
    "GLIBC_TUNABLES": "glibc.malloc.perturb=165:glibc.malloc.tcache_count=0",
}
"""Environment in which glibc overwrites what is freed, and Python frees to glibc. It has to be
there when a process starts. NOTE: chunks that go to the thread cache are not overwritten (malloc.c,
`_int_free`), hence none."""


def wiping_environment(environment: Mapping[str, str]) -> dict[str, str] | None:
    """`environment` with `WIPING` added; None if it is there already, or set to something else."""
    if not sys.platform.startswith("linux") or WIPING.keys() & environment.keys():
        return None
    return {**environment, **WIPING}


@attrs.frozen
class Forgetting:
    """What is cleaned up. All of it, except where a test shows what happens without."""

    peers: bool = True
    """The address book and the backoffs of nodes that are not connected."""
    neighbours: bool = True
    """DHT servers that are not connected: a lookup here leads to those alone that are."""
    buckets: bool = True
    """Rate buckets that are full again."""
    collect: bool = True
    """Reference cycles, which would keep what they hold until some later time."""


ALL = Forgetting()


class Forgetter:
    """Sweeps after nodes that left. Run by `open_forgetter`."""

    def __init__(self, host: Host, limits: tuple[RateLimit, ...], what: Forgetting) -> None:
        self._peers = PeerMemory(host)
        self._limits = limits
        self._what = what
        self._left = trio.Event()

    def left(self, _peer: str) -> None:
        """A node left."""
        self._left.set()

    async def run(self) -> None:
        """Sweeps until cancelled."""
        while True:
            await self._left.wait()
            self._left = trio.Event()
            await trio.sleep(SETTLE_SECONDS)
            with contained("sweep"):
                await self._sweep_all()

    async def _sweep_all(self) -> None:
        self.sweep()
        while self.remembered() and not self._left.is_set():
            with trio.move_on_after(SWEEP_SECONDS):
                await self._left.wait()
            self.sweep()

    def sweep(self) -> None:
        """Drops what is of nobody who is here."""
        # What fails of one kind keeps nothing of another.
        if self._what.neighbours:
            with contained("sweep"):
                self._peers.forget_neighbours()
        if self._what.peers:
            with contained("sweep"):
                self._peers.forget()
        if self._what.buckets:
            with contained("sweep"):
                self._forget_buckets()
        if self._what.collect:
            gc.collect()
            trim()

    def remembered(self) -> int:
        """Entries about nodes that are not connected."""
        return self._peers.remembered() + sum(map(len, self._limits))

    def _forget_buckets(self) -> None:
        for limit in self._limits:
            limit.forget_full()


def _find_trim() -> Callable[[int], int] | None:
    try:
        function: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # no glibc
        return None
    return function


_trim = _find_trim()


def trim() -> None:
    """Gives freed memory back to the kernel, which hands it out zeroed."""
    if _trim is not None:
        _trim(0)


@asynccontextmanager
async def open_forgetter(
    host: Host, limits: tuple[RateLimit, ...], what: Forgetting = ALL
) -> AsyncIterator[Forgetter]:
    """Forgets nodes as they leave, for the length of the block."""
    forgetter = Forgetter(host, limits, what)
    stop = host.on_disconnect(forgetter.left)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(forgetter.run)
            yield forgetter
            nursery.cancel_scope.cancel()
    finally:
        stop()
