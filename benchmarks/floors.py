"""What the libraries alone take on this machine, in the same run: nothing can be faster on them.

The DHT part runs the same operations on py-libp2p as it comes and on On-Meet's host over it.
"""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from pathlib import Path

import trio

from benchmarks.children import Child, StepFailed, open_child
from benchmarks.measure import Report
from benchmarks.places import Network, Place

WORKERS = Path(__file__).with_name("workers")
OPERATIONS = 20
STARTS_AT_ONCE = 4
"""Nodes that import at the same time: more would only wait for the cores."""


async def measure_media(
    network: Network, report: Report, delay: float, rounds: int, logs: Path
) -> None:
    """A bare aiortc pair: two processes, signaling as fast as TCP allows."""
    here, there = network.place("m1"), network.place("m2")
    worker = WORKERS / "media_peer.py"
    answer = there.command(sys.executable, worker, "answer", there.address, "0")
    async with open_child("aiortc answerer", answer, logs / "media.log") as peer:
        port = (await peer.event("ready"))["port"]
        # one round more: the first warms up the codecs
        argv = here.command(
            sys.executable, worker, "offer", there.address, str(port), str(rounds + 1)
        )
        async with open_child("aiortc offerer", argv, logs / "media.log") as offerer:
            mark = 0
            for number in range(rounds + 1):
                line = await offerer.event("round", since=mark)
                mark = offerer.mark
                if number == 0:
                    continue
                for what, field in (
                    ("bare aiortc: offer → connected", "connected_ms"),
                    ("bare aiortc: start → first audio", "audio_ms"),
                    ("bare aiortc: start → first video", "video_ms"),
                ):
                    report.series(what, delay_ms=delay).values.append(line[field])


async def measure_dial(
    network: Network, report: Report, delay: float, rounds: int, logs: Path
) -> None:
    """Dialing a peer and the first byte back on a new stream, bare and through On-Meet's host."""
    for stack, who in (("libp2p", "bare py-libp2p"), ("onmeet", "On-Meet host")):
        here, there = network.place(f"{stack}-d1"), network.place(f"{stack}-d2")
        log = logs / f"dial-{stack}.log"
        async with (
            _node(stack, "server", there, None, log) as server,
            _node(stack, "client", here, None, log) as client,
        ):
            address = _address_of(await server.event("ready"))
            await client.event("ready")
            answer = await client.ask("dial", address=address, times=rounds)
        floor = None if stack == "libp2p" else "bare py-libp2p"
        dialed = report.series(f"{who}: dial", delay_ms=delay, floor=floor and f"{floor}: dial")
        dialed.values += answer["ms"]
        dialed.failures += ["a dial failed"] * answer["failed"]
        stream = f"{who}: stream open → first byte back"
        report.series(
            stream, delay_ms=delay, floor=floor and f"{floor}: stream open → first byte back"
        ).values += answer["stream_ms"]


async def measure_dht(
    network: Network, report: Report, delay: float, size: int, logs: Path
) -> None:
    """Puts and gets of presence records by a client in a net of `size` nodes, it included."""
    for stack, who in (("libp2p", "bare py-libp2p"), ("onmeet", "On-Meet host")):
        farm, near = network.place(f"{stack}-f{size}"), network.place(f"{stack}-n{size}")
        log = logs / f"dht-{stack}-{size}.log"
        async with AsyncExitStack() as stack_of_nodes:
            servers = await _start_farm(stack_of_nodes, stack, farm, size - 1, log)
            entry = _address_of(await servers[0].event("ready"))
            client = await stack_of_nodes.enter_async_context(
                _node(stack, "client", near, entry, log)
            )
            await client.event("ready")
            await _settle(client, min(size - 1, 10))
            numbers = list(range(OPERATIONS))
            put = await client.ask("put", numbers=numbers, seconds=300)
            # what is read was written by another node: the writer has a copy of its own
            others = [number + 1000 for number in numbers]
            await servers[-1].ask("put", numbers=others, seconds=300)
            got = await client.ask("get", numbers=others, seconds=300)
        bare = None if stack == "libp2p" else "bare py-libp2p"
        for what, answer, limit in (("put", put, None), ("get", got, 1.2)):
            label = f"DHT {what}, {size} nodes"
            series = report.series(
                f"{who}: {label}",
                delay_ms=delay,
                floor=bare and f"{bare}: {label}",
                floor_ratio=limit if bare else None,
            )
            series.values += answer["ms"]
            series.failures += [f"a {what} failed"] * answer["failed"]


async def _start_farm(
    stack: AsyncExitStack, kind: str, place: Place, count: int, log: Path
) -> list[Child]:
    first = await stack.enter_async_context(_node(kind, "server", place, None, log))
    entry = _address_of(await first.event("ready"))
    servers = [first]
    while len(servers) < count:
        batch = [
            await stack.enter_async_context(_node(kind, "server", place, entry, log))
            for _ in range(min(STARTS_AT_ONCE, count - len(servers)))
        ]
        for server in batch:
            await server.event("ready", seconds=120)
        servers += batch
    return servers


async def _settle(client: Child, wanted: int) -> None:
    """Until the client's routing table holds enough peers to look up with."""
    with trio.move_on_after(20):
        while (await client.ask("table"))["size"] < wanted:  # noqa: ASYNC110 - another process
            await trio.sleep(0.2)
        return
    raise StepFailed(f"the routing table of {client.name} did not reach {wanted} peers in 20 s")


def _node(stack: str, mode: str, place: Place, entry: str | None, log: Path):
    argv = [sys.executable, WORKERS / "dht_node.py", stack, mode, place.address]
    return open_child(f"{stack} {mode}", place.command(*argv, *([entry] if entry else [])), log)


def _address_of(ready: dict[str, list[str]]) -> str:
    return ready["addresses"][0]
