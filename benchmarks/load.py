"""What nodes and calls cost a bootstrap, and what ten thousand would by the same line.

Light nodes (`workers/load_nodes.py`) in a few processes, each on a host of its own because a
bootstrap counts by address; the bootstrap is the real one as a process of its own, with its caps
per network lifted, since all these nodes come from a handful of addresses.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import attrs
import psutil
import trio
from onmeet_bootstrap.config.file import create
from onmeet_bootstrap.config.model import BootstrapConfig

from benchmarks.children import Child, StepFailed, open_child
from benchmarks.measure import Report
from benchmarks.nodes import BOOTSTRAP, BOOTSTRAP_PORT
from benchmarks.places import Network, Place, traffic

WORKER = Path(__file__).with_name("workers") / "load_nodes.py"
PER_PROCESS = 100
SETTLE_SECONDS = 5.0
READY_SECONDS = 260.0
SPARE_BYTES = 1.5e9
"""Free memory below which no more nodes are started."""
GOAL = 10_000
_LIFTED = 100_000


class Sample(NamedTuple):
    """A bootstrap at one moment."""

    cpu: float
    """Seconds since its start."""
    memory: float
    """Resident bytes."""
    bytes_moved: float
    """In and out since its start."""


class Cost(NamedTuple):
    """A bootstrap over a while."""

    cpu: float
    """Seconds a second."""
    memory: float
    """Resident bytes at the end."""
    traffic: float
    """Bytes a second, in and out."""


@dataclass
class Server:
    """The bootstrap under load."""

    place: Place
    address: str
    process: psutil.Process

    def sample(self) -> Sample:
        """As it is now."""
        spent = sum(self.process.cpu_times()[:2])
        return Sample(spent, self.process.memory_info().rss, traffic(self.place) or 0)

    def since(self, before: Sample, seconds: float) -> Cost:
        """What it took since `before`, that many seconds ago."""
        now = self.sample()
        return Cost(
            (now.cpu - before.cpu) / seconds,
            now.memory,
            (now.bytes_moved - before.bytes_moved) / seconds,
        )

    async def watch(self, seconds: float) -> Cost:
        """What it takes from now on."""
        before = self.sample()
        await trio.sleep(seconds)
        return self.since(before, seconds)


@dataclass
class Options:
    """How much load."""

    sizes: list[int]
    """Numbers of nodes, growing."""
    seconds: float
    """For which each state is watched."""
    per_minute: float
    """Calls set up."""


@asynccontextmanager
async def _open_server(network: Network, directory: Path) -> AsyncIterator[Server]:
    place = network.place("lboot")
    port = BOOTSTRAP_PORT if network.simulated else 0
    config = attrs.evolve(
        BootstrapConfig(),
        listen=(f"/ip4/{place.address}/tcp/{port}",),
        max_connections=_LIFTED,
        connections_per_network=_LIFTED,
        network_factor=10_000,
        max_reservations=_LIFTED,
        reservations_per_network=_LIFTED,
        circuits_per_network=_LIFTED,
    )
    home = directory / "bootstrap"
    create(home, config)
    argv = place.command(*BOOTSTRAP, "run", "--home", home, "--json")
    async with open_child("bootstrap", argv, directory / "bootstrap.log") as child:
        started = await child.event("started")
        yield Server(place, started["addresses"][0], psutil.Process(child.process.pid))


@dataclass
class Farm:
    """The nodes, in processes of at most `PER_PROCESS`."""

    stack: AsyncExitStack
    network: Network
    server: Server
    directory: Path
    workers: list[Child] = field(default_factory=list)
    started: int = 0
    reachable: int = 0

    async def grow(self, size: int) -> bool:
        """Starts nodes until there are `size`; whether all of them can be found."""
        while self.started < size and self.reachable == self.started:
            first = self.started
            self.started = min(first + PER_PROCESS, size)
            name = f"nodes-{first}"
            argv = self.network.place(f"l{first}").command(
                sys.executable, WORKER, str(first), str(self.started - first), self.server.address
            )
            log = self.directory / f"{name}.log"
            worker = await self.stack.enter_async_context(open_child(name, argv, log))
            self.reachable += (await worker.event("ready", seconds=READY_SECONDS))["reachable"]
            self.workers.append(worker)
        return self.reachable == self.started


async def measure_load(network: Network, report: Report, options: Options, directory: Path) -> None:
    """Ever more idle nodes, then calls among them; the costs, and the line through them."""
    if not network.simulated:
        report.note("A bootstrap's traffic was not counted: that needs namespaces (root).")
    directory = directory / "load"
    directory.mkdir()
    async with _open_server(network, directory) as server, AsyncExitStack() as stack:
        await trio.sleep(SETTLE_SECONDS)
        idle = {0: await server.watch(options.seconds)}
        farm = Farm(stack, network, server, directory)
        for size in options.sizes:
            if psutil.virtual_memory().available < SPARE_BYTES:
                report.note(f"Load: no more than {max(idle)} nodes, this machine's memory is full.")
                break
            if not await farm.grow(size):
                report.note(
                    f"Load: of {farm.started} nodes {farm.reachable} could be found in time."
                )
                break
            await trio.sleep(SETTLE_SECONDS)
            idle[size] = await server.watch(options.seconds)
            print(f"  {size} nodes: {idle[size]}", file=sys.stderr, flush=True)
        most = max(idle)
        if most == 0:
            raise StepFailed("not even the first nodes could be found")
        report.series("bootstrap: most nodes driven", "nodes").values.append(most)
        _per_node(report, idle)
        await _calls(report, farm, most, idle[most], options)


def _per_node(report: Report, idle: dict[int, Cost]) -> None:
    """Slopes over the number of nodes, and where they lead at `GOAL`."""
    sizes = sorted(idle)
    for name, (unit, scale), (goal_unit, goal_scale), values in (
        ("memory", ("kB", 1e3), ("MB", 1e6), [idle[n].memory for n in sizes]),
        ("CPU", ("ms/min", 1e-3 / 60), ("% of a core", 0.01), [idle[n].cpu for n in sizes]),
        ("traffic", ("B/s", 1.0), ("kB/s", 1e3), [idle[n].traffic for n in sizes]),
    ):
        slope, base = statistics.linear_regression(sizes, values)
        report.series(f"bootstrap: {name} per idle node", unit).values.append(slope / scale)
        goal = report.series(f"bootstrap: {name} of {GOAL} idle nodes, by the line", goal_unit)
        goal.values.append((base + slope * GOAL) / goal_scale)


async def _calls(report: Report, farm: Farm, most: int, idle: Cost, options: Options) -> None:
    """Calls at the wanted rate, from the first process's nodes to the first `most` nodes."""
    before, began = farm.server.sample(), trio.current_time()
    answer = await farm.workers[0].ask(
        "calls",
        per_minute=options.per_minute,
        length=options.seconds,
        callees=list(range(most)),
        seconds=options.seconds + 60,
    )
    lasted = trio.current_time() - began
    cost = farm.server.since(before, lasted)
    times = report.series("bootstrap: call set up through it (found, circuit, offer answered)")
    times.values += answer["ms"]
    times.failures += ["not set up"] * answer["failed"]
    if made := len(answer["ms"]):
        cpu = (cost.cpu - idle.cpu) * lasted / made
        moved = (cost.traffic - idle.traffic) * lasted / made
        report.series("bootstrap: CPU per call").values.append(cpu * 1000)
        report.series("bootstrap: traffic per call", "kB").values.append(moved / 1000)
