"""Two nodes on machines of their own: what a person with two computers would see."""

from __future__ import annotations

import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import forkserver
from tests.netlab.lab import Lab
from tests.netlab.machines import Machine, befriend, bootstrap, call

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def machines(lab: Lab, tmp_path: Path) -> tuple[Machine, Machine, Machine]:
    """Three initialized machines."""
    made = [Machine(lab.host(name.lower()), tmp_path / name) for name in ("Ana", "Ben", "Cy")]
    for machine in made:
        machine.init()
    return made[0], made[1], made[2]


def test_a_call_outlives_the_bootstrap_and_the_next_one_needs_none(
    lab: Lab, tmp_path: Path, machines: tuple[Machine, Machine, Machine]
) -> None:
    ana, ben, cy = machines
    options = ("--no-lan", "--listen", "/ip4/0.0.0.0/tcp/0")
    with ExitStack() as stack:
        (address, *_), server = stack.enter_context(
            bootstrap(lab.host("server"), tmp_path / "boot")
        )
        for machine in machines:
            answering = () if machine is ana else ("--auto-answer",)
            stack.enter_context(machine.up(*options, *answering, "--bootstrap", address))
        for machine in machines:
            machine.wait("reachable")
        befriend(ana, ben)
        with call(ana, ben):
            before = [machine.decoded()["video"] for machine in (ana, ben)]
            server.kill()
            server.wait(10)
            assert cy.onmeet("status")["reachable"]
            time.sleep(3)  # time itself: the call goes on without the bootstrap
            for machine, count in zip((ana, ben), before, strict=True):
                assert machine.decoded()["video"] > count + 30
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
        bootstrap(lab.host("server"), tmp_path / "boot") as ((address, *_), _server),
        ana.up(*options, "--bootstrap", address),
    ):
        with ben.up(*options, "--auto-answer", "--bootstrap", address):
            for machine in (ana, ben):
                machine.wait("reachable")
            befriend(ana, ben)
            ana.forget()
            caller = forkserver.Popen(ana._command("call", "Ben"), stdout=subprocess.DEVNULL)
            ana.wait("media", kind="video")
            ben.kill(signal.SIGKILL)
        ana.wait("state", state="reconnecting", seconds=15)
        assert ana.wait("ended", seconds=70)["reason"] == "connection-lost"
        assert caller.wait(20) == 0
