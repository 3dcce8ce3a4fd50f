"""A node on a real terminal that is paused with Ctrl-S: it goes on."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from tests.cli.test_cli import LONELY, ONMEET
from tests.cli.test_rooms import ask
from tests.cli.test_stopping import SECONDS, Town, town

__all__ = ["town"]
pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]

PAUSE, GO_ON = b"\x13", b"\x11"


class Terminal:
    """A terminal with a node on it; what the node said is read as long as it is not paused."""

    def __init__(self, *arguments: str, home: Path) -> None:
        self.keyboard, inside = pty.openpty()
        self.node = subprocess.Popen(
            [*ONMEET, *arguments, "--home", str(home)],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
        )
        os.close(inside)
        self._seen = bytearray()
        self._news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self.keyboard, 4096)
            except OSError:
                return
            with self._news:
                self._seen += part
                self._news.notify_all()

    def shows(self, text: bytes) -> bool:
        """Waits for it."""
        with self._news:
            return self._news.wait_for(lambda: text in self._seen, SECONDS)

    def end(self) -> int:
        """As Ctrl-C does."""
        self.node.send_signal(signal.SIGINT)
        return self.node.wait(30)


def test_a_node_whose_terminal_is_paused_still_rings_answers_and_ends(town: Town) -> None:
    town.up(town.ana)
    terminal = Terminal("up", *LONELY, "--no-app", "--bootstrap", town.way, home=town.bob)
    try:
        assert terminal.shows(b"You can be called.")
        town.befriend()
        os.write(terminal.keyboard, PAUSE)
        for _ in range(2):  # of the first, something is printed that nobody takes
            caller = town.program("call", "bob", home=town.ana)
            caller.wait(event="ringing")
            assert caller.stop(signal.SIGINT) == 2
        assert ask(town.bob, "status")["calls"] == []
        os.write(terminal.keyboard, GO_ON)
        assert terminal.shows(b"ana is calling")
        os.write(terminal.keyboard, PAUSE)
        town.program("call", "bob", home=town.ana).wait(event="ringing")
        assert terminal.end() == 0
    finally:
        terminal.node.kill()
        terminal.node.wait()
        os.close(terminal.keyboard)
