"""Of a node without app: a call is said to ring where somebody can notice it."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from tests.cli.test_cli import LONELY, ONMEET, run
from tests.cli.test_paused_terminal import Terminal
from tests.cli.test_rooms import ask
from tests.cli.test_stopping import SECONDS, Town, town

__all__ = ["town"]
pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]


def befriended(town: Town) -> list[str]:
    """Bob's node runs, and Ana's, a contact of his, is to be started by this command."""
    town.up(town.bob)
    ana = town.up(town.ana)
    town.befriend()
    ana.stop(signal.SIGTERM)
    return ["up", *LONELY, "--no-app", "--source", "test", "--bootstrap", town.way]


def test_a_service_that_nobody_watches_has_the_call_and_does_not_ring(town: Town) -> None:
    up = befriended(town)
    service = subprocess.Popen(
        [*ONMEET, *up, "--home", str(town.ana)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + SECONDS
        while '"reachable": true' not in run("status", "--json", home=town.ana).stdout:
            assert time.monotonic() < end
        call = town.program("call", "ana", home=town.bob)
        call.wait(event="ringing", ring="delivered")
        ask(town.ana, "answer")
        call.wait(event="connected")
        assert not [one for one in call.events if one.get("ring") == "alerting"]
    finally:
        service.kill()
        service.wait()


def test_a_terminal_rings(town: Town) -> None:
    up = befriended(town)
    terminal = Terminal(*up, home=town.ana)
    try:
        assert terminal.shows(b"You can be called.")
        town.program("call", "ana", home=town.bob).wait(event="ringing", ring="alerting")
        assert terminal.shows(b"is calling.")
    finally:
        terminal.node.kill()
        terminal.node.wait()
