"""``onmeet code say`` and ``onmeet contacts add`` with what was said."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from onmeet_node.protocol.spoken.words import TWO_SYLLABLES
from tests.cli.test_cli import LONELY, run
from tests.cli.test_rooms import ask, bootstrap
from tests.cli.test_stopping import Program

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

Begin = Callable[..., Program]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Starts programs, which are gone at the end."""
    with ExitStack() as stack:

        def start(*arguments: str, home: Path) -> Program:
            program = Program(*arguments, home=home)
            stack.callback(program.kill)
            return program

        yield start


def test_a_code_is_said_by_one_and_typed_by_the_other(tmp_path: Path, begin: Begin) -> None:
    homes = {name: tmp_path / name for name in ("Ana", "Bob")}
    with bootstrap(tmp_path / "bootstrap") as way:
        for name, home in homes.items():
            assert run("init", "--key-file", "--name", name, home=home).returncode == 0
            node = begin("up", "--no-app", *LONELY, "--bootstrap", way, home=home)
            node.wait(event="reachable")

        # Interrupted: it says so, and the number leads nowhere.
        saying = begin("code", "say", home=homes["Ana"])
        first = saying.wait(event="code-said")["code"]
        assert saying.stop(signal.SIGINT) == 130
        assert saying.errors == "The code is taken back.\n"
        late = run("contacts", "add", first, home=homes["Bob"])
        assert late.returncode == 1
        assert "Nobody waits under that number" in late.stderr

        # A wrong word is told to both.
        saying = begin("code", "say", home=homes["Ana"])
        number, one, two = saying.wait(event="code-said")["code"].split("-")
        other = TWO_SYLLABLES[TWO_SYLLABLES.index(two) - 1]
        wrong = run("contacts", "add", f"{number}-{one}-{other}", home=homes["Bob"])
        assert wrong.returncode == 1
        assert "Those are not the words" in wrong.stderr
        assert saying.ended() == 1
        assert "Somebody tried a wrong code" in saying.errors
        assert ask(homes["Ana"], "contacts", "list") == []
        assert ask(homes["Ana"], "code", "list") == []

        # The right ones make contacts of both.
        saying = begin("code", "say", "--name", "Bobby", home=homes["Ana"])
        code = saying.wait(event="code-said")["code"]
        added = ask(homes["Bob"], "contacts", "add", code)
        assert added["name"] == "Ana"
        assert saying.ended() == 0
        assert saying.events[-1]["name"] == "Bobby"
        assert saying.errors == ""
