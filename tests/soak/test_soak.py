"""A bootstrap with everything on, under all hostile inputs at a steady rate, and ten honest nodes.

Half an hour of it with ONMEET_FULL=1; another length with ONMEET_SOAK_SECONDS. It takes the whole
machine, so the suite leaves it out.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from onmeet_bootstrap.config.file import create
from onmeet_bootstrap.config.model import BootstrapConfig, GuestsConfig, TurnConfig

from tests.media.coturn import make_certificate
from tests.netlab.conftest import need
from tests.netlab.lab import Host, missing, open_lab

FULL = os.environ.get("ONMEET_FULL") == "1" or "ONMEET_SOAK_SECONDS" in os.environ
SECONDS = float(os.environ.get("ONMEET_SOAK_SECONDS", "1800"))
QUIET_SECONDS = 15.0
"""Of honest life alone, before it begins: what the memory is compared with."""
RETURN_SECONDS = 120.0
GROWTH = 1.2
"""What the processes may have grown by, once it is over."""
ROUNDS = 2
"""Honest rounds that must have been finished under attack, by each household."""
PATIENCE = 300.0
GATEWAY_PORT = 8443

pytestmark = [
    pytest.mark.real,
    pytest.mark.netlab,
    pytest.mark.slow,
    pytest.mark.timeout(int(SECONDS + QUIET_SECONDS + RETURN_SECONDS + 2 * PATIENCE)),
]


class Program:
    """A program on one of the lab's machines, and what it told in lines of JSON."""

    def __init__(self, host: Host, *argv: str, **environment: str) -> None:
        self.told: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            host.command(sys.executable, *argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.told.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def wait(self, event: str, count: int = 1, *, since: int = 0) -> dict[str, Any]:
        """The `count`-th of this event after so many lines; fails when the program ended."""
        deadline = time.monotonic() + PATIENCE
        with self._news:
            while True:
                found = [line for line in self.told[since:] if line["event"] == event]
                if len(found) >= count:
                    return found[count - 1]
                assert self.process.poll() is None, f"it ended; told: {self.told[-4:]}"
                left = deadline - time.monotonic()
                assert left > 0, f"no {event} within {PATIENCE:.0f} s; told: {self.told[-4:]}"
                self._news.wait(min(left, 1))

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def memory(self) -> int:
        """Resident bytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def finish(self) -> int:
        """Lets it end by itself; its status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """Ends it whatever it does."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@contextmanager
def program(host: Host, *argv: str, **environment: str) -> Iterator[Program]:
    """Runs for the length of the block."""
    running = Program(host, *argv, **environment)
    try:
        yield running
    finally:
        running.kill()


@contextmanager
def server(host: Host, folder: Path) -> Iterator[tuple[Program, tuple[str, ...], Path]]:
    """A bootstrap with relay, TURN and gateway: its addresses, and whom guests trust."""
    folder.mkdir()
    certificate = make_certificate(folder, name=host.address)
    config = BootstrapConfig(
        operator="soak",
        listen=(f"/ip4/{host.address}/tcp/4001", f"/ip4/{host.address}/tcp/4002/ws"),
        turn=TurnConfig(serve=True, public=(host.address,), allow_private_peers=False),
        guests=GuestsConfig(
            serve=True,
            listen=(f"{host.address}:{GATEWAY_PORT}",),
            origin=f"https://{host.address}:{GATEWAY_PORT}",
            certificate=str(certificate.certificate),
            key=str(certificate.key),
        ),
    )
    create(folder / "home", config)
    arguments = ("-m", "onmeet_bootstrap", "run", "--json", "--home", str(folder / "home"))
    with program(host, *arguments) as running:
        started = running.wait("started")
        yield running, tuple(started["addresses"]), certificate.certificate


def did(household: Program, since: int = 0) -> Counter[str]:
    """How often a household did what."""
    return Counter(line["what"] for line in household.told[since:] if line["event"] == "did")


def _soak(tmp_path: Path) -> None:
    need(missing())
    with open_lab() as lab, ExitStack() as stack:
        place = lab.host("server")
        bootstrap, addresses, trusted = stack.enter_context(server(place, tmp_path / "server"))
        households = []
        for name in ("north", "south"):
            arguments = ("-m", "tests.soak.people", str(tmp_path / name), *addresses)
            environment = {"SSL_CERT_FILE": str(trusted)}
            household = program(lab.host(name), *arguments, **environment)
            households.append(stack.enter_context(household))
        for household in households:
            household.wait("ready")
        for household in households:
            household.wait("did", 5)  # a whole round
        time.sleep(QUIET_SECONDS)  # time itself: memory settles
        everybody = [bootstrap, *households]
        before = [one.memory() for one in everybody]
        told = [len(household.told) for household in households]
        with ExitStack() as attacks:
            for kind in ("half-open", "rest"):
                base = lab.host(kind)
                where = (base.address, place.address, str(GATEWAY_PORT), *addresses)
                arguments = ("-m", "tests.soak.attackers", kind, *where)
                attackers = program(base, *arguments, SSL_CERT_FILE=str(trusted))
                evil = attacks.enter_context(attackers)
            evil.wait("attacking")
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                time.sleep(1)  # time itself: so long must they live with it
                for one in (*everybody, evil):
                    assert one.alive, one.told[-4:]
            for household, since in zip(households, told, strict=True):
                household.wait("did", 5 * ROUNDS, since=since)
            under = [one.memory() for one in everybody]
            made = evil.told[-1]["made"]
        for household, since in zip(households, told, strict=True):
            print("did", dict(did(household, since)))
        deadline = time.monotonic() + RETURN_SECONDS
        while (
            any(one.memory() > GROWTH * was for one, was in zip(everybody, before, strict=True))
            and time.monotonic() < deadline
        ):
            time.sleep(0.5)
        after = [one.memory() for one in everybody]
        figures = [[size >> 20 for size in sizes] for sizes in (before, under, after)]
        print(f"attacks {made}; MB of bootstrap and households before, under, after: {figures}")
        for was, now in zip(before, after, strict=True):
            assert now <= GROWTH * was, figures
        for household in households:
            assert household.finish() == 0


if FULL:

    def test_honest_people_notice_nothing_and_memory_returns(tmp_path: Path) -> None:
        _soak(tmp_path)
