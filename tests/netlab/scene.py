"""Two people who know each other, and their bootstraps: what a test of failures begins with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from onmeet_node.control.requests.node import ShowStatus
from tests.netlab.lab import Host, Lab
from tests.netlab.machines import Machine, befriend, bootstrap

LISTEN = ("--listen", "/ip4/0.0.0.0/tcp/0")
PROOF_FRAMES = 15
"""New pictures that prove that media flows: half a second, more than the jitter buffers hold."""


@dataclass
class Server:
    """A bootstrap with coturn, and where it runs."""

    host: Host
    addresses: tuple[str, ...]
    process: Popen[str]

    def sent(self) -> int:
        """Bytes that left it so far."""
        with self.host.inside():
            statistics = Path("/proc/thread-self/net/dev").read_text()
        _, _, row = statistics.partition(f"{self.host.interface}:")
        return int(row.split()[8])

    def coturn(self) -> int:
        """The process id of its coturn."""
        for pid in self.host.pids():
            if Path(f"/proc/{pid}/comm").read_text().strip() == "turnserver":
                return pid
        raise AssertionError("no coturn runs there")


@dataclass
class Scene:
    """Ana and Ben, contacts of each other; Ben answers by himself unless told otherwise."""

    ana: Machine
    ben: Machine
    servers: list[Server]
    stack: ExitStack

    def relaying(self) -> Server:
        """The server through which the media of the present call goes."""
        before = [server.sent() for server in self.servers]
        time.sleep(1)  # time itself: who moves media in it moves most
        moved = [server.sent() - b for server, b in zip(self.servers, before, strict=True)]
        assert max(moved) > 20_000, f"nobody relays: {moved}"
        return self.servers[moved.index(max(moved))]


@contextmanager
def open_scene(
    lab: Lab,
    directory: Path,
    *,
    ana: Host | None = None,
    ben: Host | None = None,
    servers: int = 1,
    answering: bool = True,
    hiding: bool = False,
) -> Iterator[Scene]:
    """Everything up and found. `hiding`: neither ever shows an address (relay-only)."""
    with ExitStack() as stack:
        people = [
            Machine(ana or lab.host("ana"), directory / "Ana"),
            Machine(ben or lab.host("ben"), directory / "Ben"),
        ]
        places = [lab.host(f"server{number}") for number in range(servers)]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(Machine.init, people))
        up = [
            Server(place, *stack.enter_context(bootstrap(place, directory / place.name, turn=True)))
            for place in places
        ]
        ways = [f"--bootstrap={address}" for server in up for address in server.addresses]
        hidden = "true" if hiding else "false"
        for machine in people:
            extra = ("--auto-answer",) if machine is people[1] and answering else ()
            stack.enter_context(
                machine.up("--no-lan", *LISTEN, *extra, *ways, ONMEET_RELAY_ONLY=hidden)
            )
        for machine in people:
            machine.wait("reachable", 180)
        befriend(*people)
        yield Scene(*people, up, stack)


def seen(machine: Machine) -> int:
    """Pictures decoded in the current call; 0 when there is none, or no video in it just now."""
    calls = machine.ask(ShowStatus())["calls"]
    streams = calls[0]["streams"] if calls else ()
    return sum(s["frames_decoded"] for s in streams if s["kind"] == "video")


def until_media(machine: Machine, seconds: float) -> float:
    """Seconds until `PROOF_FRAMES` new pictures were decoded."""
    began, new, before = time.monotonic(), 0, seen(machine)
    while new < PROOF_FRAMES:
        elapsed = time.monotonic() - began
        assert elapsed < seconds, f"{machine.name}: {new} pictures in {elapsed:.1f} s"
        time.sleep(0.05)
        now = seen(machine)
        new += now - before if now >= before else now  # a new stream counts from 0
        before = now
    return time.monotonic() - began
