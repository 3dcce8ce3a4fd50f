"""`python -m benchmarks`: measures, writes JSON, prints a table."""

from __future__ import annotations

import argparse
import datetime
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from benchmarks import calls, floors, handshake, idle, load, relayed, tokens
from benchmarks.children import StepFailed
from benchmarks.measure import Report, write
from benchmarks.places import Network, no_lab, open_network

GROUPS = ("handshake", "tokens", "media", "dial", "dht", "calls", "relayed", "idle", "load")
RESULTS = Path(__file__).with_name("results")


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measures On-Meet and the floors under it."
    )
    parser.add_argument("--quick", action="store_true", help="few repeats, 5 DHT nodes: 3 minutes")
    parser.add_argument("--only", default=",".join(GROUPS), help="groups: " + ", ".join(GROUPS))
    parser.add_argument("--delays", default="0,40", help="one-way delays in ms")
    parser.add_argument("--repeats", type=int, default=None, help="pairs of nodes per delay")
    parser.add_argument("--dht", default=None, help="sizes of the DHT, as 5,20,50")
    parser.add_argument("--nodes", default=None, help="idle nodes on a bootstrap, as 100,200,400")
    parser.add_argument("--per-minute", type=float, default=60.0, help="calls set up among them")
    parser.add_argument("--out", type=Path, default=None, help="the JSON file")
    options = parser.parse_args()
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(GROUPS):
        parser.error(f"no group {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    options.delays = _numbers(options.delays)
    options.repeats = options.repeats or (2 if options.quick else 7)
    options.dht = [int(n) for n in _numbers(options.dht or ("5" if options.quick else "5,20,50"))]
    sizes = options.nodes or ("20,40" if options.quick else "100,200,400,800")
    options.nodes = [int(n) for n in _numbers(sizes)]
    options.load_seconds = 15.0 if options.quick else 60.0
    options.idle_seconds = 20.0 if options.quick else 120.0
    options.call_seconds = 10.0 if options.quick else 30.0
    return options


class Progress:
    """Tells what is being measured, how much is left, and how long it took."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0
        self._began = time.monotonic()

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """One of the steps."""
        self._done += 1
        began = time.monotonic()
        so_far = began - self._began
        self._say(f"[{self._done}/{self._steps}, {so_far:.0f} s so far] {what}")
        try:
            yield
        finally:
            self._say(f"  {time.monotonic() - began:.0f} s")

    @staticmethod
    def _say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _steps(options: argparse.Namespace) -> int:
    """How many there will be; those that this machine cannot do are counted too."""
    only = set(options.only)
    for_each_delay = len(only & {"media", "dial", "calls", "relayed"})
    if "dht" in only:
        for_each_delay += len(options.dht)
    return for_each_delay * len(options.delays) + len(
        only & {"handshake", "tokens", "idle", "load"}
    )


async def _attempt(
    progress: Progress, report: Report, what: str, work: Callable[[], Awaitable[None]]
) -> None:
    """One group; its failure is noted and the others go on."""
    try:
        with progress.step(what):
            await work()
    except* StepFailed as errors:
        leaf: BaseException = errors
        while isinstance(leaf, BaseExceptionGroup):
            leaf = leaf.exceptions[0]
        report.note(f"FAILED: {what}: {leaf}")
        print(f"  {leaf}", file=sys.stderr, flush=True)


async def _measure(options: argparse.Namespace, report: Report, directory: Path) -> None:
    only = options.only
    progress = Progress(_steps(options))
    if "handshake" in only:
        with progress.step("sealed handshake"):
            handshake.measure_handshake(report)
    if "tokens" in only:
        with progress.step("tokens"):
            tokens.measure_tokens(report)
    for delay in options.delays:
        if delay and (reason := no_lab()):
            report.note(f"Nothing was measured at {delay:g} ms one way: {reason}.")
            continue
        own = directory / f"delay-{delay:g}"
        own.mkdir()
        with open_network(delay) as network:
            await _measure_at(delay, options, progress, report, network, own)
    if "idle" in only:
        with open_network(0) as network:
            await _attempt(
                progress,
                report,
                f"idle node, {options.idle_seconds:g} s",
                lambda: idle.measure_idle(
                    network, report, options.idle_seconds, options.call_seconds, directory
                ),
            )
    if "load" in only:
        wanted = load.Options(options.nodes, options.load_seconds, options.per_minute)
        with open_network(0) as network:
            await _attempt(
                progress,
                report,
                f"a bootstrap under load, up to {max(options.nodes)} nodes",
                lambda: load.measure_load(network, report, wanted, directory),
            )


async def _measure_at(
    delay: float,
    options: argparse.Namespace,
    progress: Progress,
    report: Report,
    network: Network,
    directory: Path,
) -> None:
    at = f"at {delay:g} ms one way"
    rounds = options.repeats * 3
    steps: dict[str, tuple[str, Callable[[], Awaitable[None]]]] = {
        "media": (
            f"bare aiortc {at}",
            lambda: floors.measure_media(network, report, delay, rounds, directory),
        ),
        "dial": (
            f"dialing {at}",
            lambda: floors.measure_dial(network, report, delay, rounds, directory),
        ),
        "calls": (
            f"{options.repeats} pairs of nodes {at}",
            lambda: calls.measure_calls(network, report, delay, options.repeats, directory),
        ),
        "relayed": (
            f"relayed calls {at}",
            lambda: relayed.measure_relayed(network, report, delay, options.repeats, directory),
        ),
    }
    for group, (what, work) in steps.items():
        if group in options.only:
            await _attempt(progress, report, what, work)
    for size in options.dht if "dht" in options.only else ():
        await _attempt(
            progress,
            report,
            f"DHT of {size} nodes, twice, {at}",
            lambda size=size: floors.measure_dht(network, report, delay, size, directory),
        )


def main() -> None:
    """Runs what the command line asks for."""
    options = _options()
    report = Report()
    now = datetime.datetime.now(datetime.UTC)
    out = options.out or RESULTS / f"{now:%Y%m%d-%H%M%S}.json"
    with tempfile.TemporaryDirectory(prefix="onmeet-bench-") as directory:
        trio.run(_measure, options, report, Path(directory))
    shown = {name: value for name, value in vars(options).items() if name != "out"}
    write(report, shown, out)
    print(report.table())
    print(f"\nEvery value: {out}")


if __name__ == "__main__":
    main()
