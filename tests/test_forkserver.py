"""A forked program is one that was executed, to whoever begins it, talks to it and ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forkserver

pytestmark = pytest.mark.real

COMMAND = [sys.executable, "-m", "onmeet_node.cli"]
LONELY = ("--no-lan", "--no-app", "--json", "--listen", "/ip4/127.0.0.1/tcp/0")


def told(begin: type[subprocess.Popen[str]], *arguments: str, place: Path) -> tuple[int, str, str]:
    """How such a command ends and what it prints, begun in `place` with a home named after it."""
    with begin(
        [*COMMAND, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=place,
        env={**os.environ, "ONMEET_HOME": f"home-of-{place.name}"},
    ) as process:
        out, errors = process.communicate("onmeet:nothing\n", timeout=60)
    return process.returncode, out, errors


@pytest.mark.parametrize(
    "arguments",
    [("status",), ("--version",), ("fly",), ("join", "-", "--name", "Eve"), ("init", "--json")],
)
def test_it_prints_and_returns_the_same(arguments: tuple[str, ...], tmp_path: Path) -> None:
    forked, executed = (
        told(begin, *arguments, place=tmp_path) for begin in (forkserver.Popen, subprocess.Popen)
    )
    assert forked == executed
    assert forked[1:] != ("", "")


def test_it_is_a_child_of_ours_and_takes_signals(tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    assert forkserver.run([*COMMAND, "init", "--key-file", "--home", home]).returncode == 0
    for signum, status in ((signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -9)):
        with forkserver.Popen(
            [*COMMAND, "up", *LONELY, "--home", home], stdout=subprocess.PIPE, text=True
        ) as node:
            assert node.stdout is not None
            assert "started" in node.stdout.readline()
            parent = Path(f"/proc/{node.pid}/stat").read_text().rpartition(")")[2].split()[1]
            assert int(parent) == os.getpid()
            node.send_signal(signum)
            assert node.wait(30) == status
