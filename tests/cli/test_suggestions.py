"""What a person is told to run can be pasted into a shell, whatever somebody is called."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from onmeet_bootstrap.config.file import load
from onmeet_bootstrap.errors import BootstrapError

from onmeet_node.cli.common import revoke_hint
from onmeet_node.cli.up import _lines
from onmeet_node.process.ownership import ForeignPlace, open_own, require_own_directory
from onmeet_node.process.suggestions import command
from onmeet_node.store.errors import NotAHome

EVIL = "O'Brien $(touch F) `touch F` ; touch F \\ \" && touch F"
NODE = SimpleNamespace(config=SimpleNamespace(home="home"))
EVENTS = [
    {"event": "contact-request", "card_name": EVIL, "identity": "ab" * 32, "code": "-x " + EVIL},
    {"event": "knock", "guest_name": EVIL},
    {"event": "incoming", "contact": EVIL, "identity": "ab" * 32},
]


def pasted(lines: str, where: Path) -> None:
    """Runs every line of a text that has an `onmeet` command, as a person would who pastes it."""
    shown = [line for line in lines.splitlines() if "onmeet" in line]
    assert shown
    for line in shown:
        start = line.index("onmeet")
        for text in (line, line[start:]):
            subprocess.run(["sh", "-c", text], cwd=where, capture_output=True, check=False)
    assert not (where / "F").exists()


@pytest.mark.real
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: str(event["event"]))
def test_a_line_that_asks_for_an_answer_runs_nothing_else_when_it_is_pasted(
    event: dict[str, object], tmp_path: Path
) -> None:
    pasted("\n".join(_lines(NODE, event)), tmp_path)  # type: ignore[arg-type]


def test_a_suggested_command_names_exactly_what_it_is_about() -> None:
    words = ["onmeet", "code", "revoke", "--drop-requests", "--", EVIL]
    assert revoke_hint(EVIL).endswith(command(*words))
    assert shlex.split(command(*words)) == words


@pytest.mark.parametrize("name", [EVIL, "-rf", "my home", "a\nb"])
def test_a_path_in_a_suggested_command_is_one_word(name: str, tmp_path: Path) -> None:
    home = tmp_path / name
    home.mkdir(mode=0o777)
    home.chmod(0o777)
    said = []
    with pytest.raises(ForeignPlace) as refused:
        require_own_directory(home)
    said.append(str(refused.value))
    home.chmod(0o700)
    (home / "file").write_bytes(b"")
    (home / "file").chmod(0o666)
    with pytest.raises(ForeignPlace) as refused:
        open_own(home / "file", 0)
    said.append(str(refused.value))
    with pytest.raises(BootstrapError) as missing:
        load(home)
    said += [str(missing.value), str(NotAHome(home))]
    for sentence in said:
        assert command(home) in sentence or command(home / "file") in sentence
