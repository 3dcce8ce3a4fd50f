"""Calls whose media goes through coturn: relay-only, and where UDP is blocked."""

from __future__ import annotations

import shutil
from pathlib import Path

import trio

from benchmarks.calls import RING_SECONDS, TALK_SECONDS
from benchmarks.measure import Report
from benchmarks.nodes import Node, befriend, open_bootstrap
from benchmarks.places import Network
from tests.netlab.lab import Host


async def measure_relayed(
    network: Network, report: Report, delay: float, repeats: int, directory: Path
) -> None:
    """One pair of nodes: `repeats` relay-only calls over UDP, then as many with UDP blocked."""
    if not network.simulated or shutil.which("turnserver") is None:
        report.note("No relayed call was measured: that needs namespaces (root) and coturn.")
        return
    directory = directory / "relayed"
    directory.mkdir()
    alice = Node("Alice", network.place("ra"), directory)
    ben = Node("Ben", network.place("rb"), directory)
    for node in (alice, ben):
        await node.init()
    async with (
        open_bootstrap(network.place("rboot"), directory, turn=True) as bootstrap,
        ben.running(bootstrap, "--source", "test") as ben_up,
        alice.running(bootstrap, "--source", "test") as alice_up,
    ):
        for up in (ben_up, alice_up):
            await up.event("reachable")
        code = (await ben.run("code", "new", "--label", "bench"))["uri"]
        await befriend(alice, ben, code)
        for _ in range(repeats):
            await _call(report, delay, alice, ben, "relay-only, TURN/UDP", "--relay-only")
        assert isinstance(alice.place, Host)
        alice.place.block_udp()
        for _ in range(repeats):
            await _call(report, delay, alice, ben, "UDP blocked, TURN/TCP")


async def _call(
    report: Report, delay: float, alice: Node, ben: Node, way: str, *options: str
) -> None:
    """One call; the targets are five round trips and 300 ms from accepting to media."""
    since = ben.up.mark
    async with alice.calling("Ben", *options) as call:
        await ben.up.event("incoming", since=since)
        await call.event("ringing", ring="alerting")
        await trio.sleep(RING_SECONDS)
        await ben.run("answer")
        accepted = await ben.up.event("accepted", since=since)
        for kind in ("audio", "video"):
            media = await call.event("media", kind=kind)
            name = f"accept → first {kind} at the caller, {way}"
            series = report.series(name, delay_ms=delay, target=300 + 10 * delay)
            series.values.append((media["t"] - accepted["t"]) * 1000)
        connected = await call.event("connected")
        if connected["path"] != "relay":
            series.failures.append(f"went by {connected['path']}")
        await ben.up.event("media", since=since, kind="video")
        await trio.sleep(TALK_SECONDS)
        await alice.run("hangup")
        await ben.up.event("ended", since=since)
