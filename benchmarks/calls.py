"""Calls between two On-Meet nodes, timed by the events that the nodes themselves tell.

Both nodes' `t` is CLOCK_MONOTONIC of this one machine, so times across them can be subtracted.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

import trio

from benchmarks.children import Child, StepFailed
from benchmarks.measure import Report, Series
from benchmarks.nodes import Node, befriend, open_bootstrap
from benchmarks.places import Network
from tests.netlab.lab import Host

CALLS_PER_PAIR = 3
"""Over the open channel, after the one that found the callee by its code."""
RING_SECONDS = 1.0
"""People take longer to answer; the fast path has its time."""
TALK_SECONDS = 0.5
NOTICE_SECONDS = 40.0


class CallBench:
    """The series of one delay."""

    def __init__(self, report: Report, delay_ms: float) -> None:
        self._report = report
        self._delay = delay_ms
        self._half = delay_ms  # half a round trip
        self._trip = 2 * delay_ms

    def _series(self, name: str, target: float | None = None, floor: str | None = None) -> Series:
        return self._report.series(name, delay_ms=self._delay, target=target, floor=floor)

    @property
    def reachable(self) -> Series:
        """From the start of the process, imports included."""
        return self._series("start → reachable", 1500 if self._delay == 0 else 2500)

    @property
    def by_code(self) -> Series:
        """Nothing cached, nothing connected."""
        return self._series("code alone → rings there", max(300, 10 * self._trip))

    @property
    def rings(self) -> Series:
        """Over the open channel."""
        return self._series("call → rings there, channel open", self._half + 10)

    def first(self, kind: str) -> Series:
        """After the answer, at the caller."""
        return self._series(
            f"accept → first {kind} at the caller",
            self._half + (90 if kind == "audio" else 100),
            f"bare aiortc: start → first {kind}",
        )

    @property
    def told(self) -> Series:
        """The other side's `ended`."""
        return self._series("hang-up → seen there", self._half + 5)

    @property
    def killed(self) -> Series:
        """The peer's process dies by SIGKILL."""
        return self._series("kill -9 in a call → noticed", 1000)

    @property
    def silenced(self) -> Series:
        """The peer's packets stop without a word."""
        return self._series("cable pulled in a call → noticed", 8000)

    # ── one pair of fresh nodes ─────────────────────────────────────────────────────────────────
    async def pair(
        self, network: Network, bootstrap: str, directory: Path, *, number: int, pull: bool
    ) -> None:
        """Two nodes that never met: start, call by code, call again, and a death at the end."""
        directory = directory / f"pair-{number}"
        directory.mkdir()
        alice = Node("Alice", network.place(f"a{number}"), directory)
        ben = Node("Ben", network.place(f"b{number}"), directory)
        for node in (alice, ben):
            await node.init()
        options = ("--source", "test")
        async with ben.running(bootstrap, *options) as ben_up:
            await self._note_start(ben_up)
            async with alice.running(bootstrap, *options) as alice_up:
                await self._note_start(alice_up)
                code = (await ben.run("code", "new", "--label", "bench"))["uri"]
                await self._call(alice, ben, code, self.by_code, fast_path=False)
                await befriend(alice, ben, code)
                for _ in range(CALLS_PER_PAIR):
                    await self._call(alice, ben, "Ben", self.rings, fast_path=True)
                await self._die(alice, ben, pull=pull)

    async def _note_start(self, child: Child) -> None:
        reachable = await child.event("reachable")
        self.reachable.values.append((reachable["t"] - child.started) * 1000)

    async def _call(
        self, alice: Node, ben: Node, who: str, ring: Series, *, fast_path: bool
    ) -> None:
        """One call from ring to hang-up; media times count where the fast path is promised."""
        since = ben.up.mark
        async with alice.calling(who) as call:
            dialed = await call.event("state", state="dialing")
            incoming = await ben.up.event("incoming", since=since)
            ring.values.append((incoming["t"] - dialed["t"]) * 1000)
            await call.event("ringing", ring="alerting")
            await trio.sleep(RING_SECONDS)
            await ben.run("answer")
            accepted = await ben.up.event("accepted", since=since)
            for kind in ("audio", "video"):
                media = await call.event("media", kind=kind)
                if fast_path:
                    self.first(kind).values.append((media["t"] - accepted["t"]) * 1000)
            await ben.up.event("media", since=since, kind="video")
            await trio.sleep(TALK_SECONDS)
            await alice.run("hangup")
            here = await call.event("ended")
            there = await ben.up.event("ended", since=since)
            self.told.values.append((there["t"] - here["t"]) * 1000)

    async def _die(self, alice: Node, ben: Node, *, pull: bool) -> None:
        since = ben.up.mark
        async with alice.calling("Ben") as call:
            await ben.up.event("incoming", since=since)
            await ben.run("answer")
            await call.event("media", kind="audio")
            await trio.sleep(TALK_SECONDS)
            looked = call.mark
            begun = time.monotonic()
            if pull:
                assert isinstance(ben.place, Host)
                ben.place.silence()
            else:
                ben.up.process.send_signal(signal.SIGKILL)
            noticed = await _first_sign(call, looked)
            series = self.silenced if pull else self.killed
            series.values.append((noticed - begun) * 1000)


async def _first_sign(call: Child, since: int) -> float:
    """When the caller's node first told that something is wrong."""
    found: list[float] = []
    async with trio.open_nursery() as nursery:

        async def wait(*names: str, **fields: str) -> None:
            line = await call.event(*names, since=since, seconds=NOTICE_SECONDS, **fields)
            found.append(line["t"])
            nursery.cancel_scope.cancel()

        nursery.start_soon(wait, "ended")
        nursery.start_soon(lambda: wait("state", state="reconnecting"))
    return min(found)


async def measure_calls(
    network: Network, report: Report, delay: float, repeats: int, directory: Path
) -> None:
    """`repeats` pairs of fresh nodes around one bootstrap; the last one's cable is pulled."""
    bench = CallBench(report, delay)
    async with open_bootstrap(network.place("boot"), directory) as bootstrap:
        for number in range(repeats + 1):
            pull = number == repeats
            if pull and not network.simulated:
                report.note("No cable could be pulled: that needs network namespaces (root).")
                continue
            try:
                await bench.pair(network, bootstrap, directory, number=number, pull=pull)
            except* StepFailed as errors:
                for error in _leaves(errors):
                    report.note(f"FAILED: pair {number} at {delay:g} ms one way: {error}")


def _leaves(group: BaseExceptionGroup[StepFailed]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
