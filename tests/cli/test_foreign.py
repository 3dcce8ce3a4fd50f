"""What another user prepared on this machine, met by the commands."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from onmeet_bootstrap.errors import NotRunning
from onmeet_bootstrap.status import ask_status, serve_status

from tests import forkserver
from tests.cli.test_cli import ONMEET, home, node, run
from tests.requirements import need

__all__ = ["home"]  # a fixture

pytestmark = pytest.mark.real
OTHER = 23_456


def as_root() -> None:
    need(None if os.geteuid() == 0 else "playing another user needs root")


@contextmanager
def planted(path: Path) -> Iterator[list[bytes]]:
    """Another user's program listens at `path`, open to all; what it is told."""
    told: list[bytes] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o777)
    # The kernel tells of a listener who it was when it began to listen.
    os.seteuid(OTHER)
    try:
        listener.listen()
    finally:
        os.seteuid(0)

    def take() -> None:
        connection, _ = listener.accept()
        with connection:
            while part := connection.recv(4096):
                told.append(part)
                connection.sendall(b'{"result": {}}\n')

    taking = threading.Thread(target=take)
    taking.start()
    try:
        yield told
        taking.join(20)
    finally:
        listener.close()


def test_a_planted_control_socket_is_told_nothing(home: Path, tmp_path: Path) -> None:
    as_root()
    secret = tmp_path / "secret"
    secret.write_text("carry me over\n")
    with planted(home / "control.sock") as told:
        done = run(
            "export", str(tmp_path / "x"), "--export-passphrase-file", str(secret), home=home
        )
    assert told == []
    assert done.returncode == 1
    assert "another user's program" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()


def test_no_command_asks_in_a_home_that_others_may_write_in(home: Path) -> None:
    home.chmod(0o777)
    for command in (["status"], ["doctor"], ["up", "--no-app"], ["history"], ["open"]):
        done = run(*command, home=home)
        assert done.returncode == 1, command
        assert "chmod 700" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_program_reads_the_error_as_json(home: Path) -> None:
    home.chmod(0o777)
    for command in (["status"], ["up", "--no-app"], ["up", "--app", "--no-browser"]):
        done = run(*command, "--json", home=home)
        assert done.returncode == 1
        *_, last = done.stdout.splitlines()
        error = json.loads(last)
        assert error["event"] == "error"
        assert "chmod 700" in error["message"]


def test_another_user_is_told_nothing_by_a_running_node(home: Path) -> None:
    as_root()
    ask = (
        "import os, socket, sys\n"
        "link = socket.socket(socket.AF_UNIX)\n"
        "os.chdir(sys.argv[1])\n"  # so that the mode of the directories is in nobody's way
        f"os.setuid({OTHER})\n"
        "link.connect('control.sock')\n"
        'link.sendall(b\'{"do": "show-status"}\\n\')\n'
        "print(link.recv(4096))\n"
    )
    with node(home):
        (home / "control.sock").chmod(0o777)
        home.chmod(0o711)
        asked = subprocess.run(
            [sys.executable, "-c", ask, str(home)],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        home.chmod(0o700)
        assert asked.stdout == "b''\n" or "Error" in asked.stderr
        assert run("status", "--json", home=home).returncode == 0


def test_a_configuration_that_another_user_put_there_is_not_read(home: Path) -> None:
    as_root()
    (home / "onmeet.toml").write_text("auto_answer = true\n")
    os.chown(home / "onmeet.toml", OTHER, OTHER)
    done = run("up", "--no-app", home=home)
    assert done.returncode == 1
    assert "onmeet.toml belongs to another user" in done.stderr


def test_an_app_says_that_it_will_not_use_a_foreign_home(tmp_path: Path) -> None:
    as_root()
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o777)
    os.chown(theirs, OTHER, OTHER)
    done = forkserver.run([*ONMEET, "up", "--app", "--no-browser", "--home", str(theirs)])
    assert done.returncode == 1
    assert "belongs to another user" in done.stderr
    assert list(theirs.iterdir()) == []


# ── the bootstrap ────────────────────────────────────────────────────────────────────────────────
def bootstrap(*arguments: str) -> subprocess.CompletedProcess[str]:
    return forkserver.run([sys.executable, "-m", "onmeet_bootstrap", *arguments])


def test_a_bootstrap_makes_no_home_in_a_foreign_place(tmp_path: Path) -> None:
    as_root()
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o777)
    os.chown(theirs, OTHER, OTHER)
    done = bootstrap("init", "--home", str(theirs), "--json")
    assert done.returncode == 1
    assert "belongs to another user" in json.loads(done.stdout)["message"]
    assert list(theirs.iterdir()) == []


@pytest.mark.parametrize("name", ["bootstrap.toml", "bootstrap.key"])
@pytest.mark.parametrize("kind", ["link", "pipe", "theirs"])
def test_a_bootstrap_reads_nothing_that_was_planted(tmp_path: Path, name: str, kind: str) -> None:
    as_root()
    place = tmp_path / "boot"
    assert bootstrap("init", "--home", str(place)).returncode == 0
    file = place / name
    kept = file.rename(tmp_path / "kept")
    match kind:
        case "link":
            file.symlink_to(kept)
        case "pipe":
            os.mkfifo(file)
        case _:
            file.write_bytes(kept.read_bytes())
            file.chmod(0o600)
            os.chown(file, OTHER, OTHER)
    done = bootstrap("run", "--home", str(place), "--json")
    assert done.returncode == 1
    error = json.loads(done.stdout)
    assert name in error["message"]
    assert "Traceback" not in done.stderr


async def test_the_socket_of_the_status_is_put_in_no_foreign_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_root()
    runtime, place = tmp_path / "run", tmp_path / "home"
    runtime.mkdir(mode=0o777)
    place.mkdir(mode=0o700)
    os.chown(runtime, OTHER, OTHER)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    async with serve_status(place, lambda: {"circuits": 3}):
        assert list(runtime.iterdir()) == []
        assert await trio.to_thread.run_sync(ask_status, place) == {"circuits": 3}


async def test_a_planted_status_socket_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_root()
    place = tmp_path / "home"
    place.mkdir(mode=0o700)
    # Not in `tmp_path`: a socket's path has 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="onmeet-") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
        async with serve_status(place, dict):
            (path,) = Path(runtime).iterdir()
        with planted(path), pytest.raises(NotRunning, match="Only the user"):
            await trio.to_thread.run_sync(ask_status, place)
