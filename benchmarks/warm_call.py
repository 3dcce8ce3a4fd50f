"""`make profile`: what one warm call costs, by the code's own counters and by layer.

Two nodes and a bootstrap in one process, on loopback. Alice calls Bob over their open channel, he
answers, they talk for `TALK_SECONDS`, she hangs up. Counts are of all three together and exact, but
for what happens beside the calls (a ping, say); so they are medians of the calls. Times are of this
machine just now. `--against COMMIT` runs the calls of another commit in turns with this one's, so
that both columns come out of one run.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import trio
from onmeet_bootstrap.app import open_bootstrap
from onmeet_bootstrap.config.model import ephemeral_config

from onmeet_node.node.node import Node
from onmeet_node.process.work import since, so_far
from tests.node.conftest import Start, befriend, connected

HERE = Path(__file__).resolve().parents[1]
TALK_SECONDS = 0.4
SETTLE_SECONDS = 3.0
"""After the first call, which is not counted: what becoming contacts left to do is done."""
LAYERS = 12
"""Lines of the table of CPU time."""

Figures = dict[str, list[float]]


class WarmCalls:
    """Calls from one node to another, and the figures of each."""

    def __init__(self, alice: Node, bob: Node) -> None:
        self._alice = alice
        self._bob = bob
        self.figures: Figures = {}

    def _note(self, name: str, value: float) -> None:
        self.figures.setdefault(name, []).append(value)

    async def call(self) -> None:
        """One call, from dial to the end at both."""
        before, spent, began = so_far(), time.process_time(), time.monotonic()
        async with self._bob.incoming() as ringing, self._alice.call("Bob") as call:
            theirs = await ringing.receive()
            self._note("ms: dial → rings there", (time.monotonic() - began) * 1000)
            for name, count in since(before).as_counts().items():
                self._note(f"until it rings: {name}", count)
            theirs.accept()
            await connected(call)
            await trio.sleep(TALK_SECONDS)
            hung_up = time.monotonic()
            call.hang_up()
            await theirs.ended()
            self._note("ms: hang-up → seen there", (time.monotonic() - hung_up) * 1000)
        await trio.sleep(0.1)  # what is written behind
        for name, count in since(before).as_counts().items():
            self._note(f"whole call: {name}", count)
        self._note("ms: CPU, media included", (time.process_time() - spent) * 1000)


async def _measure(calls: int, profiler: cProfile.Profile | None) -> Figures:
    with tempfile.TemporaryDirectory(prefix="onmeet-profile-") as homes:
        async with open_bootstrap(ephemeral_config()) as bootstrap, trio.open_nursery() as nursery:
            start = Start(Path(homes), bootstrap, nursery)
            alice, bob = await start("Alice"), await start("Bob")
            await befriend(alice, bob)
            await WarmCalls(alice, bob).call()
            await trio.sleep(SETTLE_SECONDS)
            warm = WarmCalls(alice, bob)
            if profiler is not None:
                profiler.enable()
            for _ in range(calls):
                await warm.call()
            if profiler is not None:
                profiler.disable()
            start.stop_all()
            return warm.figures


# ── CPU by layer ─────────────────────────────────────────────────────────────────────────────────
def _layer(filename: str) -> str:
    """Of the place of a function: two names of ours or of libp2p's, else the package."""
    parts = Path(filename).parts
    for root in ("onmeet_node", "onmeet_bootstrap", "libp2p"):
        if root in parts:
            below = parts[parts.index(root) + 1 :]
            inner = below[0].removesuffix(".py") if below else ""
            if inner in {"net", "protocol"} and len(below) > 2:
                inner += f"/{below[1]}"
            return f"{root.removeprefix('onmeet_')}: {inner}"
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1].removesuffix(".py")
    return "Python's own"


def by_layer(profiler: cProfile.Profile) -> dict[str, float]:
    """Shares of the trio thread's own time, waiting left out; what is in C counts for its caller,
    but for the socket and the database.
    """
    spent: Counter[str] = Counter()
    stats: Any = pstats.Stats(profiler)
    for (filename, _, name), (_, _, own, _, callers) in stats.stats.items():
        if "poll" in name and filename == "~":
            continue
        if filename != "~":
            spent[_layer(filename)] += own
        elif "sqlcipher3" in name:
            spent["SQLCipher"] += own
        elif "_socket" in name:
            spent["the kernel's sockets"] += own
        else:
            for (caller, _, _), (_, _, share, _) in callers.items():
                spent[_layer(caller) if caller != "~" else "Python's own"] += share
    whole = sum(spent.values())
    return {layer: own / whole for layer, own in spent.most_common(LAYERS)}


# ── the report ───────────────────────────────────────────────────────────────────────────────────
def _merge(rounds: Iterable[Figures]) -> dict[str, float]:
    together: Figures = {}
    for figures in rounds:
        for name, values in figures.items():
            together.setdefault(name, []).extend(values)
    return {name: statistics.median(values) for name, values in together.items()}


def _table(columns: dict[str, dict[str, float]], digits: int) -> str:
    names = dict.fromkeys(name for column in columns.values() for name in column)
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name in names:
        cells = [
            f"{column[name]:.{digits}f}" if name in column else "" for column in columns.values()
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _round(tree: Path, calls: int) -> Figures:
    """One round of calls by the code of `tree`, in a process of its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (tree, tree / "bootstrap"))),
    }
    done = subprocess.run(
        [sys.executable, "-P", __file__, "--bare", "--calls", str(calls)],
        env=environment,
        cwd=tree,
        check=True,
        capture_output=True,
        text=True,
    )
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found


def _compare(commit: str, calls: int, rounds: int) -> str:
    columns: dict[str, list[Figures]] = {commit: [], "now": []}
    with tempfile.TemporaryDirectory(prefix="onmeet-before-") as directory:
        tree = Path(directory) / "tree"
        git = ["git", "-C", str(HERE), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), commit], check=True)
        try:
            for number in range(rounds):
                print(f"… round {number + 1} of {rounds}", file=sys.stderr, flush=True)
                columns[commit].append(_round(tree, calls))
                columns["now"].append(_round(HERE, calls))
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)
    return _table({name: _merge(figures) for name, figures in columns.items()}, 1)


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3, help="of each commit, in turns")
    parser.add_argument("--against", help="a commit to compare with, from the one with counters on")
    parser.add_argument("--bare", action="store_true", help="figures alone, as one line of JSON")
    options = parser.parse_args()
    if options.bare:
        print(json.dumps(trio.run(_measure, options.calls, None)))
        return
    if options.against:
        print(_compare(options.against, options.calls, options.rounds))
        return
    print(f"… {options.calls} calls", file=sys.stderr, flush=True)
    print(_table({"one call": _merge([trio.run(_measure, options.calls, None)])}, 1))
    print(f"… {options.calls} calls, profiled", file=sys.stderr, flush=True)
    profiler = cProfile.Profile()
    trio.run(_measure, options.calls, profiler)
    shares = {layer: 100 * share for layer, share in by_layer(profiler).items()}
    print("\n" + _table({"% of the trio thread's CPU": shares}, 1))


if __name__ == "__main__":
    main()
