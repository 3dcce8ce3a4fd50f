"""What rooms cost, and how quickly one is in: `python -m benchmarks.rooms headless|join|cost`.

headless   so many audio-only nodes in one room for so many minutes: CPU and memory of each
join       pressed → all remote pictures playing, beside a bare mesh of pages in the same Chromium
cost       CPU and upload of each participant, with the pictures shaped by who shows whom, and not
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from bootstrap.config import ephemeral_config
from bootstrap.config_file import create

SAMPLE_SECONDS = 5.0
WARM_SECONDS = 60.0
"""Before memory is looked at first: codecs, buffers and the allocator's own have come to rest."""
MEET_SECONDS = 120.0


def onmeet(home: Path, *arguments: str) -> Any:
    """What a command answers."""
    command = [sys.executable, "-m", "onmeet_node.cli", *arguments, "--home", str(home), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, timeout=90)
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def bootstrap(home: Path) -> Iterator[str]:
    """A bootstrap in a process of its own: its address."""
    create(home, ephemeral_config(guests=True))
    command = [sys.executable, "-m", "bootstrap", "run", "--home", str(home), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["addresses"][0]
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


@contextmanager
def running(home: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A node in a process of its own, reachable."""
    onmeet(home, "init", "--key-file", "--name", home.name)
    command = [sys.executable, "-m", "onmeet_node.cli", "up", "--home", str(home), "--json"]
    command += ["--no-lan", "--listen", "/ip4/127.0.0.1/tcp/0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        while json.loads(process.stdout.readline())["event"] != "reachable":
            pass
        yield process
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def until(holds: Any, seconds: float = MEET_SECONDS) -> None:
    """Waits for something that is asked for again and again."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("the room did not come together")
        time.sleep(0.3)


def the_room(home: Path) -> list[dict[str, Any]]:
    """The participants of the one room somebody is in."""
    rooms = onmeet(home, "room", "list")["rooms"]
    return rooms[0]["people"] if rooms else []


def whole(home: Path, people: int) -> bool:
    """Whether so many are in, and media flows both ways with each."""
    shown = the_room(home)
    return len(shown) == people and all(one["media"] and one["seen"] for one in shown)


def headless(people: int, minutes: float, directory: Path) -> dict[str, Any]:
    """`people` nodes that send the test tone to each other."""
    homes = [directory / f"n{number}" for number in range(people)]
    with ExitStack() as stack:
        way = stack.enter_context(bootstrap(directory / "bootstrap"))
        options = ("--no-app", "--bootstrap", way, "--source", "test")
        nodes = [stack.enter_context(running(home, *options)) for home in homes]
        create = ("room", "create", "Choir", "--standing", "--audio-only")
        code = onmeet(homes[0], *create)["code"]
        for home in homes[1:]:
            onmeet(home, "room", "join", code, "--audio-only")
        until(lambda: all(whole(home, people) for home in homes))
        time.sleep(WARM_SECONDS)
        watched = [psutil.Process(node.pid) for node in nodes]
        before = [_look(process) for process in watched]
        began = time.monotonic()
        print(f"{people} are in; watching for {minutes:g} minutes", file=sys.stderr)
        time.sleep(minutes * 60)
        after = [_look(process) for process in watched]
        elapsed = time.monotonic() - began
        people_then = [the_room(home) for home in homes]
        assert all(len(shown) == people for shown in people_then), "somebody was lost"
        heard = [
            stream["frames_concealed"] / max(1, stream["frames_decoded"])
            for shown in people_then
            for person in shown
            for stream in person["streams"]
        ]
    cpu = [(b["cpu"] - a["cpu"]) / elapsed * 100 for a, b in zip(before, after, strict=True)]
    growth = [b["mb"] - a["mb"] for a, b in zip(before, after, strict=True)]
    return {
        "people": people,
        "minutes": minutes,
        "cpu_percent_of_a_core": _spread(cpu),
        "memory_mb": _spread([one["mb"] for one in after]),
        "memory_growth_mb": _spread(growth),
        "descriptors_before_after": [
            [a["files"], b["files"]] for a, b in zip(before, after, strict=True)
        ],
        "threads_before_after": [
            [a["threads"], b["threads"]] for a, b in zip(before, after, strict=True)
        ],
        "concealed_share_worst": round(max(heard), 4),
    }


def _look(process: psutil.Process) -> dict[str, float]:
    with process.oneshot():
        times = process.cpu_times()
        return {
            "cpu": times.user + times.system,
            "mb": process.memory_info().rss / 2**20,
            "files": process.num_fds(),
            "threads": process.num_threads(),
        }


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 2),
        "least": round(min(values), 2),
        "most": round(max(values), 2),
    }


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rooms",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="what", required=True)
    one = commands.add_parser("headless")
    one.add_argument("--people", type=int, default=8)
    one.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="onmeet-rooms-") as name:
        directory = Path(name)
        match options.what:
            case "headless":
                print(json.dumps(headless(options.people, options.minutes, directory)))


if __name__ == "__main__":
    main()
