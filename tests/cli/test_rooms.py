"""A room of nodes in processes of their own, by the commands alone; its host is killed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from onmeet_bootstrap.config.file import create
from onmeet_bootstrap.config.model import ephemeral_config

from onmeet_node.control import client
from onmeet_node.control.requests.rooms import ListRooms
from tests import forkserver
from tests.cli.test_cli import LONELY, ONMEET, run

pytestmark = pytest.mark.real
SECONDS = 60.0
CONVERGED_SECONDS = 5.0
"""Of issue 6: from the host's kill -9 to one roster among those who are left."""


@contextmanager
def running(home: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A node, and where it listens; killed at the end, if it is not before."""
    made = run("init", "--key-file", "--name", home.name, home=home)
    assert made.returncode == 0, made.stderr
    process = forkserver.Popen(
        [*ONMEET, "up", "--json", "--home", str(home), *LONELY, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        started = json.loads(process.stdout.readline())
        yield process, started["addresses"]
    finally:
        process.kill()
        process.communicate()


@contextmanager
def bootstrap(home: Path) -> Iterator[str]:
    """A bootstrap in a process of its own: its address."""
    create(home, ephemeral_config())
    command = [sys.executable, "-m", "onmeet_bootstrap", "run", "--home", str(home), "--json"]
    process = forkserver.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["addresses"][0]
    finally:
        process.terminate()
        process.communicate()


def ask(home: Path, *arguments: str) -> Any:
    """What a command answers."""
    done = run(*arguments, "--json", home=home)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def room(home: Path) -> dict[str, Any]:
    """The one room somebody is in. By the control socket: a command takes a second to start."""
    rooms = client.ask(home, ListRooms())["rooms"]
    return rooms[0] if rooms else {"people": []}


def whole(shown: dict[str, Any], names: set[str]) -> bool:
    """Whether all of these are in, and media flows both ways with each."""
    people = shown["people"]
    return {p["name"] for p in people} == names and all(p["media"] and p["seen"] for p in people)


def test_a_host_that_is_killed_stops_nobody(tmp_path: Path) -> None:
    homes = {name: tmp_path / name for name in ("ada", "ben", "cleo")}
    with ExitStack() as stack:
        way = stack.enter_context(bootstrap(tmp_path / "bootstrap"))
        nodes = {
            name: stack.enter_context(running(home, "--bootstrap", way, "--source", "test"))[0]
            for name, home in homes.items()
        }
        deadline = time.monotonic() + SECONDS
        while not all(ask(home, "status")["reachable"] for home in homes.values()):
            assert time.monotonic() < deadline
        code = ask(homes["ada"], "room", "create", "Team", "--standing")["code"]
        for name in ("ben", "cleo"):
            assert ask(homes[name], "room", "join", code)["state"] == "in"
        while not all(whole(room(home), set(homes)) for home in homes.values()):
            assert time.monotonic() < deadline
        before = {p["name"]: p["call"] for p in room(homes["ben"])["people"]}

        nodes["ada"].kill()
        killed = time.monotonic()
        agreed = False
        while not agreed and time.monotonic() < killed + SECONDS:
            ben, cleo = room(homes["ben"]), room(homes["cleo"])
            assert next(p for p in ben["people"] if p["name"] == "cleo")["media"], "it never stops"
            keys = {p["name"]: p["key"] for p in ben["people"]}
            agreed = (
                ben["version"] == cleo["version"] and ben["host"] == keys["ben"] == cleo["host"]
            )
        took = time.monotonic() - killed
        assert agreed
        assert took <= CONVERGED_SECONDS
        after = {p["name"]: p["call"] for p in room(homes["ben"])["people"]}
        assert after["cleo"] == before["cleo"], "the same call goes on"
        assert ask(homes["ben"], "room", "lock")["locked"]
        ask(homes["ben"], "room", "end")
        while room(homes["cleo"])["people"]:
            assert time.monotonic() < deadline + SECONDS
