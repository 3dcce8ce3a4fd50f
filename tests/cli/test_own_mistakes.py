"""Commands with a source or a recording that cannot be: told at once, in words, with status 1."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_cli import LONELY, home, node, run

__all__ = ["home"]
pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

LINK = "http://127.0.0.1:1/j#AAAA"


def test_each_command_says_what_cannot_be_and_nothing_begins(home: Path, tmp_path: Path) -> None:
    missing, file = str(tmp_path / "missing.mp4"), tmp_path / "file"
    file.write_text("no directory, and no media")
    for options in (("--source", missing), ("--source", str(file)), ("--record", str(file / "x"))):
        done = run("up", *LONELY, "--no-app", "--auto-answer", *options, home=home)
        assert done.returncode == 1, options
        assert str(file.parent) in done.stderr
    with node(home):
        code = json.loads(run("code", "new", "--json", home=home).stdout)["uri"]
        for arguments in (
            ("call", code, "--source", missing),
            ("call", code, "--record", str(tmp_path / "call.avi")),
            ("room", "create", "Team", "--source", missing),
            ("room", "create", "Team", "--record", str(file / "x")),
        ):
            done = run(*arguments, "--json", home=home)
            assert done.returncode == 1, arguments
            assert "error of its own" not in done.stderr
            assert json.loads(done.stdout.splitlines()[-1])["event"] == "error"
        assert json.loads(run("history", "--json", home=home).stdout) == []
        assert json.loads(run("room", "list", "--json", home=home).stdout)["rooms"] == []
    done = run("join", LINK, "--name", "Eve", "--source", missing)
    assert done.returncode == 1
    assert missing in done.stderr
