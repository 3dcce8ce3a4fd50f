"""Telling when the ground moves: addresses, the default route, or the clock.

A laptop carried to another network keeps connections that lead nowhere until some timeout finds
out; being told saves that time. Linux tells through a netlink socket (rtnetlink(7)); elsewhere we
look every `LOOK_SECONDS`.
"""

from __future__ import annotations

import ipaddress
import math
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import attrs
import ifaddr
import trio

LOOK_SECONDS = 2.0
"""Between looks at the clocks, and at the addresses where nobody tells of them."""
SETTLE_SECONDS = 0.2
"""One change of network comes as a dozen messages; the last of them is waited for."""
SETTLE_AT_MOST = 1.0
SLEPT_SECONDS = 5.0
"""A gap that no busy machine makes: it slept, or this process was stopped."""
CLOCK_SET_SECONDS = 30.0
"""Wall-clock jumps below this change nothing for us."""

# linux/rtnetlink.h
_RTMGRP_LINK = 0x1
_RTMGRP_IPV4_IFADDR = 0x10
_RTMGRP_IPV4_ROUTE = 0x40
_RTMGRP_IPV6_IFADDR = 0x100
_RTMGRP_IPV6_ROUTE = 0x400
_GROUPS = (
    _RTMGRP_LINK
    | _RTMGRP_IPV4_IFADDR
    | _RTMGRP_IPV4_ROUTE
    | _RTMGRP_IPV6_IFADDR
    | _RTMGRP_IPV6_ROUTE
)


@attrs.frozen
class Change:
    """What changed; several things may at once."""

    addresses: bool = False
    """Addresses of this machine or its default route."""
    slept: float = 0.0
    """Seconds this process did not run: suspended, or stopped."""
    clock: float = 0.0
    """Seconds the wall clock was set forward, or back if negative."""


def surroundings() -> frozenset[str]:
    """The addresses and default routes of this machine, to be compared with a later look.

    IPv6 link-local addresses are left out: they say nothing of the network.
    """
    found: set[str] = set()
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            if not ipaddress.ip_address(text.partition("%")[0]).is_link_local:
                found.add(f"{adapter.name} {text}")
    found.update(_default_routes("/proc/net/route", destination=1, gateway=2, zero="00000000"))
    found.update(_default_routes("/proc/net/ipv6_route", destination=0, gateway=4, zero="0" * 32))
    return frozenset(found)


def gateway() -> str | None:
    """The IPv4 address of the router that leads to the internet, where the system tells."""
    try:
        lines = Path("/proc/net/route").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    routes = [line.split() for line in lines[1:]]
    found = [r[2] for r in routes if len(r) > 7 and r[1] == r[7] == "0" * 8 and r[2] != "0" * 8]
    # The kernel writes the number as this machine keeps it.
    return socket.inet_ntoa(int(found[0], 16).to_bytes(4, sys.byteorder)) if found else None


def _default_routes(path: str, *, destination: int, gateway: int, zero: str) -> set[str]:
    try:
        lines = Path(path).read_text(encoding="ascii").splitlines()
    except OSError:
        return set()  # no Linux, or no such protocol
    fields = [line.split() for line in lines]
    # IPv6 lists a default route to nowhere (lo) beside the real ones.
    routes = [f for f in fields if len(f) > gateway and f[destination] == zero]
    return {f"via {f[gateway]} {f[0] if gateway == 2 else f[-1]}" for f in routes if "lo" not in f}


@attrs.frozen
class Clocks:
    """One look at all clocks, in seconds."""

    wall: float
    running: float
    """Stands still while the machine sleeps."""
    passing: float
    """Goes on while the machine sleeps, where the system has such a clock."""

    @classmethod
    def now(cls) -> Clocks:
        """A look at this machine's."""
        boot = getattr(time, "CLOCK_BOOTTIME", None)
        running = time.monotonic()
        return cls(time.time(), running, time.clock_gettime(boot) if boot is not None else math.nan)

    def since(self, before: Clocks, expected: float) -> Change | None:
        """What happened since `before`, when `expected` seconds were to pass; None: nothing."""
        wall, passed = self.wall - before.wall, self.passing - before.passing
        if math.isnan(passed):
            # Sleep and a clock set forward look the same here; both mean to look at everything.
            passed = max(wall, self.running - before.running)
        slept = max(0.0, passed - expected)
        clock = wall - passed
        change = Change(
            slept=slept if slept >= SLEPT_SECONDS else 0.0,
            clock=clock if abs(clock) >= CLOCK_SET_SECONDS else 0.0,
        )
        return change if change != Change() else None


@asynccontextmanager
async def watch_network(
    *, look: Callable[[], frozenset[str]] = surroundings
) -> AsyncIterator[trio.MemoryReceiveChannel[Change]]:
    """Changes, as they come, for the length of a `with` block.

    Changes that nobody takes in time are one change: only that something changed matters.
    """
    tell, changes = trio.open_memory_channel[Change](1)

    def say(change: Change) -> None:
        try:
            # Driven by this machine alone. The one that waits is taken out before it is replaced,
            # and nothing is awaited between, so the second cannot meet a full channel.
            tell.send_nowait(change)
        except trio.WouldBlock:
            waiting = changes.receive_nowait()
            tell.send_nowait(
                Change(
                    addresses=waiting.addresses or change.addresses,
                    slept=waiting.slept + change.slept,
                    clock=waiting.clock + change.clock,
                )
            )

    async with trio.open_nursery() as nursery:
        nursery.start_soon(_watch_clocks, say)
        nursery.start_soon(_watch_addresses, say, look)
        yield changes
        nursery.cancel_scope.cancel()


async def _watch_clocks(say: Callable[[Change], None]) -> None:
    before = Clocks.now()
    while True:
        await trio.sleep(LOOK_SECONDS)
        now = Clocks.now()
        if (change := now.since(before, LOOK_SECONDS)) is not None:
            say(change)
        before = now


async def _watch_addresses(
    say: Callable[[Change], None], look: Callable[[], frozenset[str]]
) -> None:
    with closing(_netlink()) as news:
        before = look()
        while True:
            await news.wait()
            now = look()
            if now != before:
                before = now
                say(Change(addresses=True))


class _Timer:
    """Where nobody tells of changes: returns now and then."""

    async def wait(self) -> None:
        await trio.sleep(LOOK_SECONDS)

    def close(self) -> None:
        pass


class _Netlink:
    """Returns when the kernel tells of addresses, routes or interfaces, and has said it all."""

    def __init__(self, raw: socket.socket) -> None:
        self._socket = trio.socket.from_stdlib_socket(raw)

    async def wait(self) -> None:
        await self._read()
        with trio.move_on_after(SETTLE_AT_MOST):
            while True:
                with trio.move_on_after(SETTLE_SECONDS) as quiet:
                    await self._read()
                if quiet.cancelled_caught:
                    return

    async def _read(self) -> None:
        try:
            await self._socket.recv(65_536)
        except OSError:
            # ENOBUFS: more changes than fit; what changed is looked at anyway.
            await trio.sleep(SETTLE_SECONDS)

    def close(self) -> None:
        self._socket.close()


def _netlink() -> _Netlink | _Timer:
    if sys.platform != "linux":
        return _Timer()
    try:
        raw = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    except OSError:
        return _Timer()  # a sandbox (systemd's RestrictAddressFamilies) may forbid it
    try:
        raw.bind((0, _GROUPS))
    except OSError:
        raw.close()
        return _Timer()
    return _Netlink(raw)
