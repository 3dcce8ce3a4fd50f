"""Nodes and commands in processes of their own, stopped by signals at every stage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests import forkserver
from tests.cli.test_cli import LONELY, ONMEET, run
from tests.cli.test_rooms import ask, bootstrap

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]

SECONDS = 120.0
LEFT_SECONDS = 30.0
"""Less than a seat in a room is kept for somebody whose line broke (45 s)."""


class Program:
    """A process that tells what happens in JSON lines."""

    def __init__(
        self,
        *arguments: str,
        home: Path,
        begin: type[subprocess.Popen[str]] = forkserver.Popen,
    ) -> None:
        self.process = begin(
            [*ONMEET, *arguments, "--json", "--home", str(home)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.events: list[dict[str, Any]] = []
        self.errors = ""
        """What it printed for a person, once it has ended."""
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.events.append(json.loads(line))
                self._news.notify_all()

    def wait(self, seconds: float = SECONDS, since: int = 0, **fields: Any) -> dict[str, Any]:
        """The first event with these fields, of those from number `since` on."""
        end = time.monotonic() + seconds
        with self._news:
            while True:
                for event in self.events[since:]:
                    if fields.items() <= event.items():
                        return event
                left = end - time.monotonic()
                assert left > 0, f"no {fields} within {seconds} s: {self.events[since:]}"
                self._news.wait(left)

    def was_told(self, since: int, **fields: Any) -> dict[str, Any]:
        """An event that came over a channel while it was there, and was not found out after it."""
        told = self.wait(since=since, **fields)
        gone = self.wait(since=since, event="presence", connected=False)
        assert self.events.index(told, since) < self.events.index(gone, since)
        return told

    def stop(self, signum: int) -> int:
        """Its exit status; it must end within seconds."""
        self.process.send_signal(signum)
        return self.ended()

    def ended(self) -> int:
        """Waits for its end, and until all it told is read."""
        status = self.process.wait(60)
        self._reader.join(10)
        assert self.process.stderr is not None
        self.errors = self.process.stderr.read()
        print(self.errors, file=sys.stderr)
        return status

    def takes_signals(self) -> None:
        """Waits until it has handlers of its own."""
        end = time.monotonic() + SECONDS
        while True:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            (caught,) = (line.split()[1] for line in status.splitlines() if "SigCgt" in line)
            # Python has one for SIGINT from the start; that for SIGTERM comes with ours.
            if int(caught, 16) >> (signal.SIGTERM - 1) & 1:
                return
            assert time.monotonic() < end
            time.sleep(0.01)

    def kill(self) -> None:
        """For the end of a test."""
        self.process.kill()
        self.process.wait()
        self._reader.join(10)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdout.close()
        self.process.stderr.close()


class Town:
    """A bootstrap, Bob's node, and Ana's home."""

    def __init__(self, where: Path, way: str, stack: ExitStack) -> None:
        self.way, self._stack = way, stack
        self.ana, self.bob = where / "ana", where / "bob"
        for home in (self.ana, self.bob):
            assert run("init", "--key-file", "--name", home.name, home=home).returncode == 0

    def up(self, home: Path, *options: str) -> Program:
        """A node that is reachable."""
        node = self.program(
            "up", *LONELY, "--source", "test", "--bootstrap", self.way, *options, home=home
        )
        try:
            node.wait(event="reachable")
        except AssertionError:
            print(run("status", home=home).stdout, run("doctor", home=home).stdout)
            raise
        return node

    def program(self, *arguments: str, home: Path, **how: Any) -> Program:
        """A command that runs; `how`: as of `Program`."""
        program = Program(*arguments, home=home, **how)
        self._stack.callback(program.kill)
        return program

    def befriend(self) -> None:
        """Ana and Bob, while both nodes run."""
        code = ask(self.bob, "code", "new")["uri"]
        ask(self.ana, "contacts", "add", code)
        me = ask(self.ana, "status")["identity"]
        end = time.monotonic() + SECONDS
        while not any(c["identity"] == me for c in ask(self.bob, "contacts", "list")):
            assert time.monotonic() < end
        ask(self.bob, "contacts", "accept", me)
        while ask(self.ana, "contacts", "list")[0]["state"] != "accepted":
            assert time.monotonic() < end


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with ExitStack() as stack:
        yield Town(tmp_path, stack.enter_context(bootstrap(tmp_path / "bootstrap")), stack)


def test_a_node_stopped_by_a_signal_says_so_whatever_it_is_doing(town: Town) -> None:
    bob, ana = town.up(town.bob), town.up(town.ana)
    town.befriend()

    for signum in (signal.SIGINT, signal.SIGTERM):  # Ana calls, Bob's phone rings
        seen = len(bob.events)
        town.program("call", "bob", home=town.ana)
        call = bob.wait(since=seen, event="incoming")["call"]
        assert ana.stop(signum) == 0
        bob.was_told(since=seen, event="ended", call=call)
        ana = town.up(town.ana)

    seen = len(ana.events)  # Bob calls, and Ana's node is stopped while it rings there
    theirs = town.program("call", "ana", home=town.bob)
    ana.wait(since=seen, event="incoming")
    theirs.wait(event="ringing", ring="alerting")
    seen = len(bob.events)
    assert ana.stop(signal.SIGTERM) == 0
    assert theirs.ended() == 2  # nobody answered
    assert theirs.events[-1]["reason"] == "shutdown"
    bob.was_told(since=seen, event="ended", reason="shutdown")

    bob.stop(signal.SIGINT)
    bob = town.up(town.bob, "--auto-answer")
    for stage, signum in (("accepted", signal.SIGTERM), ("connected", signal.SIGINT)):
        ana, seen = town.up(town.ana), len(bob.events)
        ours = town.program("call", "bob", home=town.ana)
        call = ours.wait(event=stage)["call"]
        assert ana.stop(signum) == 0
        bob.was_told(since=seen, event="ended", call=call, reason="shutdown")
        assert ours.ended() == 0  # it was answered, and its end was told
        assert ours.events[-1]["reason"] == "shutdown"
    assert ask(town.bob, "status")["calls"] == []


def test_a_member_and_a_host_stopped_by_signals_leave_the_room_at_once(town: Town) -> None:
    bob, ana = town.up(town.bob), town.up(town.ana)
    code = ask(town.ana, "room", "create", "Team", "--standing")["code"]
    for home, node, left in ((town.bob, bob, town.ana), (town.ana, ana, town.bob)):
        if home == town.ana:
            bob = town.up(town.bob)
        assert ask(town.bob, "room", "join", code)["state"] == "in"
        assert node.stop(signal.SIGTERM) == 0
        end = time.monotonic() + LEFT_SECONDS
        while len(ask(left, "room", "list")["rooms"][0]["people"]) != 1:
            assert time.monotonic() < end


def test_a_node_stopped_at_any_moment_of_its_start_ends_in_silence(town: Town) -> None:
    for later in (0.0, 0.1, 0.3, 0.6, 1.0):  # from the first moment that the command takes signals
        for signum in (signal.SIGINT, signal.SIGTERM):
            node = town.program(
                "up", *LONELY, "--bootstrap", town.way, home=town.ana, begin=subprocess.Popen
            )
            node.takes_signals()
            time.sleep(later)
            node.process.send_signal(signum)
            node.process.send_signal(signum)  # impatience changes nothing
            assert node.ended() == 0
            assert node.errors == ""
            assert not (town.ana / "control.sock").exists()
    for event in ("started", "reachable"):
        for signum in (signal.SIGINT, signal.SIGTERM):
            node = town.program("up", *LONELY, "--bootstrap", town.way, home=town.ana)
            node.wait(event=event)
            assert node.stop(signum) == 0
            assert node.errors == ""
            assert not (town.ana / "control.sock").exists()


def test_ctrl_c_in_a_call_tells_its_end_at_every_stage(town: Town) -> None:
    town.up(town.ana)
    bob = town.up(town.bob)
    town.befriend()

    caller = town.program("call", "bob", home=town.ana)  # it is only being dialled
    caller.wait(event="state", state="dialing")
    assert caller.stop(signal.SIGINT) == 2
    assert caller.events[-1]["event"] == "ended"

    caller = town.program("call", "bob", home=town.ana)  # it rings
    caller.wait(event="ringing")
    assert caller.stop(signal.SIGINT) == 2
    assert caller.events[-1]["reason"] == "cancelled"

    caller = town.program("call", "bob", home=town.ana)
    caller.wait(event="ringing")
    ask(town.bob, "answer")
    caller.wait(event="connected")
    assert caller.stop(signal.SIGINT) == 0
    assert caller.events[-1]["reason"] == "hung-up"
    for home in (town.ana, town.bob):
        assert ask(home, "status")["calls"] == []

    caller = town.program("call", "bob", home=town.ana)  # the call ends by itself just then
    caller.wait(event="ringing")
    caller.process.send_signal(signal.SIGSTOP)
    ask(town.bob, "decline")
    bob.wait(event="ended", reason="declined")
    os.kill(caller.process.pid, signal.SIGINT)
    caller.process.send_signal(signal.SIGCONT)
    assert caller.ended() == 2
    assert caller.events[-1]["reason"] == "peer-declined"
    for event in caller.events:
        assert event["event"] != "error"


def test_who_gives_up_knocking_at_a_room_is_not_at_its_door(town: Town) -> None:
    town.up(town.ana)
    town.up(town.bob)
    code = ask(town.ana, "room", "create", "Team", "--standing", "--require-knock")["code"]
    knocking = town.program("room", "join", code, home=town.bob)
    end = time.monotonic() + SECONDS
    while not ask(town.ana, "room", "list")["rooms"][0]["knocking"]:
        assert time.monotonic() < end
    assert knocking.stop(signal.SIGINT) != 0
    while ask(town.ana, "room", "list")["rooms"][0]["knocking"]:
        assert time.monotonic() < end
    assert ask(town.bob, "room", "list")["rooms"] == []
