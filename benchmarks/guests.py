"""What guests cost a gateway: `python -m benchmarks.guests --guests 200 --minutes 10`.

The gateway is `onmeet-bootstrap run` as a process of its own. Four hosts with two doors each echo
what guests send, a signaling message every few seconds each; the same frames go to one of the hosts
over a plain libp2p stream in the same run, so that what is told is what the gateway adds.
"""

from __future__ import annotations

import argparse
import json
import secrets
import statistics
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import attrs
import psutil
import trio
from onmeet_bootstrap.config.file import create
from onmeet_bootstrap.config.model import BootstrapConfig, ephemeral_config

from benchmarks.children import open_child
from onmeet_node.joining.line import DoorClosed, GuestLine, open_line
from onmeet_node.net.bootstraps.doors import GuestStream, HostDoor, HostDoors
from onmeet_node.net.libp2p.open_host import Host, HostConfig, open_host
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.protocol.wire.frames import FrameDecoder, encode_frame
from onmeet_node.protocol.wire.link import make_link

HOSTS = 4
DOORS = 2
"""Of each host."""
PAYLOAD = 300
"""Bytes of a frame: a candidate or a media state, sealed."""
EVERY = 3.0
ECHO = "/onmeet/benchmark-echo/1"
ANSWER_SECONDS = 15.0
LISTEN = ("/ip4/127.0.0.1/tcp/0",)


def _config() -> BootstrapConfig:
    """As shipped, but for the limits by address: all these guests have one."""
    config = ephemeral_config(guests=True)
    guests = attrs.evolve(
        config.guests,
        guests_per_network=10_000,
        guests_per_door=10_000,
        tries_per_minute=1e6,
        tries_burst=100_000,
    )
    return attrs.evolve(config, guests=guests)


async def _echo(stream: trio.abc.Stream) -> None:
    async with stream:
        while data := await stream.receive_some():
            await stream.send_all(data)


async def _keep_door(door: HostDoor) -> None:
    async with trio.open_nursery() as nursery:

        async def one(guest: GuestStream) -> None:
            try:
                await _echo(guest)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                guest.abort()

        async for guest in door.guests:
            nursery.start_soon(one, guest)


async def _time(line: GuestLine) -> float:
    frame = secrets.token_bytes(PAYLOAD)
    began = trio.current_time()
    await line.send_frame(frame)
    with trio.fail_after(ANSWER_SECONDS):
        assert await line.receive_frame() == frame
    return trio.current_time() - began


async def _time_direct(stream: Stream) -> float:
    frame = encode_frame(secrets.token_bytes(PAYLOAD))
    began = trio.current_time()
    await stream.send_all(frame)
    decoder = FrameDecoder()
    while not list(decoder.feed(await stream.receive_some())):
        pass
    return trio.current_time() - began


async def _hold(
    url: str, times: list[float], lost: list[int], *, task_status: trio.TaskStatus[None]
) -> None:
    """One guest, until cancelled."""
    try:
        async with open_line(url, shake=False) as line:
            await line.send_frame(line.link.door)
            await _time(line)
            task_status.started()
            await trio.sleep(EVERY * secrets.randbelow(1000) / 1000)
            while True:
                times.append(await _time(line))
                await trio.sleep(EVERY)
    except DoorClosed as closed:
        lost.append(closed.code)


async def measure(guests: int, minutes: float, home: Path) -> dict[str, object]:
    """Holds so many guests for so long."""
    create(home, _config())
    command = [sys.executable, "-m", "onmeet_bootstrap", "run", "--home", str(home), "--json"]
    through: list[float] = []
    direct: list[float] = []
    lost: list[int] = []
    async with AsyncExitStack() as stack:
        child = await stack.enter_async_context(open_child("gateway", command, home / "log"))
        started = await child.event("started")
        gateway = psutil.Process(child.process.pid)
        hosts: list[Host] = [
            await stack.enter_async_context(open_host(HostConfig(listen=LISTEN)))
            for _ in range(HOSTS + 1)
        ]
        nursery = await stack.enter_async_context(trio.open_nursery())
        urls = []
        for host in hosts[:HOSTS]:
            peer = await host.connect(started["addresses"])
            doors = HostDoors(host)
            for _ in range(DOORS):
                secret = secrets.token_bytes(16)
                door = await stack.enter_async_context(doors.open(peer, secret))
                nursery.start_soon(_keep_door, door)
                link = make_link(
                    door_secret=secret, private_key=b"k" * 32, secret=b"s" * 16, expires=None
                )
                urls.append(link.url(door.origin))
        hosts[0].handle(ECHO, _echo)
        await hosts[-1].connect(hosts[0].addresses)
        straight = await hosts[-1].open_stream(hosts[0].peer_id, ECHO)
        await trio.sleep(3)
        before = gateway.memory_info().rss
        with trio.CancelScope() as holding:
            async with trio.open_nursery() as held:
                for n in range(guests):
                    await held.start(_hold, urls[n % len(urls)], through, lost)
                    if n % 50 == 49:
                        print(f"… {n + 1} guests", file=sys.stderr, flush=True)
                through.clear()
                cpu = sum(gateway.cpu_times()[:2])
                with trio.move_on_after(minutes * 60):
                    while True:
                        direct.append(await _time_direct(straight))
                        await trio.sleep(0.25)
                during = gateway.memory_info().rss
                cpu = (sum(gateway.cpu_times()[:2]) - cpu) / (minutes * 60)
                holding.cancel()
        await trio.sleep(15)
        after = gateway.memory_info().rss
        nursery.cancel_scope.cancel()
    cuts = [statistics.quantiles(times, n=20) for times in (through, direct)]
    return {
        "guests": guests,
        "minutes": minutes,
        "frames": len(through),
        "lost_lines": len(lost),
        "round_trip_ms": {"p50": _ms(cuts[0][9]), "p95": _ms(cuts[0][18])},
        "direct_round_trip_ms": {"p50": _ms(cuts[1][9]), "p95": _ms(cuts[1][18])},
        "added_one_way_ms": {
            "p50": _ms((cuts[0][9] - cuts[1][9]) / 2),
            "p95": _ms((cuts[0][18] - cuts[1][18]) / 2),
        },
        "memory_mb": {"before": _mb(before), "during": _mb(during), "after": _mb(after)},
        "memory_per_guest_kb": round((during - before) / guests / 1e3, 1),
        "gateway_cpu_percent": round(cpu * 100, 2),
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 2)


def _mb(size: float) -> float:
    return round(size / 1e6, 1)


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guests", description=__doc__)
    parser.add_argument("--guests", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="onmeet-guests-") as directory:
        home = Path(directory)
        print(json.dumps(trio.run(measure, options.guests, options.minutes, home / "home")))


if __name__ == "__main__":
    main()
