"""What a node costs while nothing happens, and during an audio call."""

from __future__ import annotations

from pathlib import Path

import psutil
import trio

from benchmarks.measure import Report
from benchmarks.nodes import Node, befriend, open_bootstrap
from benchmarks.places import Network, traffic

SETTLE_SECONDS = 60.0
"""The first minute publishes, looks for ways and is looked at by bootstraps, once."""


async def measure_idle(
    network: Network, report: Report, seconds: float, call_seconds: float, directory: Path
) -> None:
    """CPU, memory and traffic of idle nodes, then CPU of both ends of an audio call."""
    directory = directory / "idle"
    directory.mkdir()
    alice = Node("Alice", network.place("ia"), directory)
    ben = Node("Ben", network.place("ib"), directory)
    for node in (alice, ben):
        await node.init()
    async with (
        open_bootstrap(network.place("iboot"), directory) as bootstrap,
        alice.running(bootstrap, "--source", "test") as alice_up,
        ben.running(bootstrap, "--source", "test") as ben_up,
    ):
        await alice_up.event("reachable")
        await ben_up.event("reachable")
        await trio.sleep(SETTLE_SECONDS)
        processes = [psutil.Process(child.process.pid) for child in (alice_up, ben_up)]
        bytes_before = [traffic(node.place) for node in (alice, ben)]
        await _cpu(report, "idle: CPU", 0.3, processes, seconds)
        for process in processes:
            memory = process.memory_info().rss / 1e6
            report.series("idle: memory (RSS)", "MB", target=110.0).values.append(memory)
        for node, before in zip((alice, ben), bytes_before, strict=True):
            after = traffic(node.place)
            if before is None or after is None:
                report.note("Idle traffic was not counted: that needs network namespaces (root).")
                continue
            hourly = (after - before) / 1e6 * 3600 / seconds
            report.series("idle: traffic, in and out", "MB/h", target=1.0).values.append(hourly)
        await _audio_call(report, alice, ben, processes, call_seconds)


async def _audio_call(
    report: Report, alice: Node, ben: Node, processes: list[psutil.Process], seconds: float
) -> None:
    code = (await ben.run("code", "new", "--label", "bench"))["uri"]
    await befriend(alice, ben, code)
    since = ben.up.mark
    async with alice.calling("Ben", "--audio-only") as call:
        await ben.up.event("incoming", since=since)
        await ben.run("answer")
        await call.event("media", kind="audio")
        await trio.sleep(1)
        await _cpu(report, "audio call: CPU", 6.0, processes, seconds)
        await alice.run("hangup")
        await call.event("ended")


async def _cpu(
    report: Report, name: str, target: float, processes: list[psutil.Process], seconds: float
) -> None:
    series = report.series(name, "% of a core", target=target)
    before = [sum(process.cpu_times()[:2]) for process in processes]
    await trio.sleep(seconds)
    for process, spent in zip(processes, before, strict=True):
        series.values.append((sum(process.cpu_times()[:2]) - spent) / seconds * 100)
