"""Two nodes on machines of their own: what a person with two computers would see."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.netlab.lab import Host, Lab

PYTHON = sys.executable
pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]


class Machine:
    """A node in a network namespace, driven by its own commands."""

    def __init__(self, host: Host, home: Path) -> None:
        self.host = host
        self.home = home
        self.told: list[dict[str, Any]] = []
        self._news = threading.Condition()

    def onmeet(self, *arguments: str) -> Any:
        """One command's ``--json`` result."""
        done = subprocess.run(
            self._command(*arguments), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def _command(self, *arguments: str) -> list[str]:
        home = ("--json", "--home", str(self.home))
        return self.host.command(PYTHON, "-m", "onmeet_node.cli", *arguments, *home)

    @contextmanager
    def up(self, *options: str) -> Iterator[subprocess.Popen[str]]:
        """The node runs inside the block."""
        process = subprocess.Popen(
            self._command("up", "--source", "test", *options), stdout=subprocess.PIPE, text=True
        )
        listener = threading.Thread(target=self._listen, args=(process,))
        listener.start()
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)
            listener.join()
            assert process.stdout is not None
            process.stdout.close()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with self._news:
                self.told.append(json.loads(line))
                self._news.notify_all()

    def wait(self, event: str, seconds: float = 40, **fields: Any) -> dict[str, Any]:
        """The first event of this name and these fields, from the beginning on."""
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                for line in self.told:
                    if line["event"] == event and all(line[k] == v for k, v in fields.items()):
                        return line
                left = deadline - time.monotonic()
                assert left > 0, f"no {event} {fields}; told: {self.told[-5:]}"
                self._news.wait(left)

    def forget(self) -> None:
        """From here on only what is new counts."""
        with self._news:
            self.told.clear()


@pytest.fixture
def machines(lab: Lab, tmp_path: Path) -> tuple[Machine, Machine, Machine]:
    """Three initialized machines."""
    made = [Machine(lab.host(name.lower()), tmp_path / name) for name in ("Ana", "Ben", "Cy")]
    for machine in made:
        machine.onmeet("init", "--key-file", "--name", machine.home.name)
    return made[0], made[1], made[2]


@contextmanager
def bootstrap(host: Host, home: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A bootstrap on a machine of its own: its address and process."""
    command = [PYTHON, "-m", "bootstrap"]
    place = ["--home", str(home), "--json"]
    listen = ["--listen", f"/ip4/{host.address}/tcp/4001"]
    subprocess.run(host.command(*command, "init", *listen, *place), check=True, timeout=30)
    process = subprocess.Popen(
        host.command(*command, "run", *place), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if (event := json.loads(line))["event"] == "started":
                yield event["addresses"][0], process
                break
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def befriend(ana: Machine, ben: Machine) -> None:
    """Only a code is exchanged."""
    code = ben.onmeet("code", "new")["uri"]
    ana.onmeet("contacts", "add", code)
    request = ben.wait("contact-request")
    ben.onmeet("contacts", "accept", request["identity"])
    ana.wait("contact-accepted")


@contextmanager
def call(ana: Machine, ben: Machine) -> Iterator[None]:
    """A call with media both ways; hung up at the end."""
    ana.forget()
    ben.forget()
    process = subprocess.Popen(ana._command("call", "Ben"), stdout=subprocess.DEVNULL)
    try:
        for machine in (ana, ben):
            machine.wait("connected")
            for kind in ("audio", "video"):
                machine.wait("media", kind=kind)
        assert ana.wait("connected")["sas"] == ben.wait("connected")["sas"]
        yield
        ana.onmeet("hangup")
        assert ben.wait("ended")["reason"] == "peer-hung-up"
        assert process.wait(20) == 0
    finally:
        process.kill()


def decoded(machine: Machine) -> int:
    """Pictures decoded in the current call."""
    (one,) = machine.onmeet("status")["calls"]
    return sum(s["frames_decoded"] for s in one["streams"] if s["kind"] == "video")


def test_a_call_outlives_the_bootstrap_and_the_next_one_needs_none(
    lab: Lab, tmp_path: Path, machines: tuple[Machine, Machine, Machine]
) -> None:
    ana, ben, cy = machines
    options = ("--no-lan", "--listen", "/ip4/0.0.0.0/tcp/0")
    with ExitStack() as stack:
        address, server = stack.enter_context(bootstrap(lab.host("server"), tmp_path / "boot"))
        for machine in machines:
            answering = () if machine is ana else ("--auto-answer",)
            stack.enter_context(machine.up(*options, *answering, "--bootstrap", address))
        for machine in machines:
            machine.wait("reachable")
        befriend(ana, ben)
        with call(ana, ben):
            before = [decoded(machine) for machine in (ana, ben)]
            server.kill()
            server.wait(10)
            assert cy.onmeet("status")["reachable"]
            time.sleep(3)  # time itself: the call goes on without the bootstrap
            for machine, count in zip((ana, ben), before, strict=True):
                assert decoded(machine) > count + 30
        with call(ana, ben):
            pass
        for machine, outgoing in ((ana, True), (ben, False)):
            history = machine.onmeet("history")
            assert [(row["outgoing"], row["path"]) for row in history] == [(outgoing, "host")] * 2


def test_two_machines_on_one_network_need_no_bootstrap(
    machines: tuple[Machine, Machine, Machine],
) -> None:
    ana, ben, _ = machines
    with ana.up(), ben.up("--auto-answer"):
        for machine in (ana, ben):
            machine.wait("reachable")
        befriend(ana, ben)
        with call(ana, ben):
            pass


def test_a_killed_peer_is_noticed_and_the_call_ends_with_the_truth(
    lab: Lab, tmp_path: Path, machines: tuple[Machine, Machine, Machine]
) -> None:
    ana, ben, _ = machines
    options = ("--no-lan", "--listen", "/ip4/0.0.0.0/tcp/0")
    with (
        bootstrap(lab.host("server"), tmp_path / "boot") as (address, _server),
        ana.up(*options, "--bootstrap", address),
    ):
        with ben.up(*options, "--auto-answer", "--bootstrap", address):
            for machine in (ana, ben):
                machine.wait("reachable")
            befriend(ana, ben)
            ana.forget()
            caller = subprocess.Popen(ana._command("call", "Ben"), stdout=subprocess.DEVNULL)
            ana.wait("media", kind="video")
            (pid,) = ben.host.pids()
            subprocess.run(["kill", "-9", str(pid)], check=True)
        ana.wait("state", state="reconnecting", seconds=15)
        assert ana.wait("ended", seconds=70)["reason"] == "connection-lost"
        assert caller.wait(20) == 0
