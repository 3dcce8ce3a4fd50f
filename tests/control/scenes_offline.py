"""Commands that need no node, and the first run in a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from tests.control.stage import Stage

PASSPHRASE = "correct horse battery"


def commands(group: click.Group, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command of the tree, groups too."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*prefix, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*prefix, name))


def play_help(stage: Stage) -> None:
    """What each command says of itself."""
    from onmeet_node.cli import _onmeet

    with stage.scene("help"):
        stage.type.alone("--help", json_too=False)
        for path in commands(_onmeet):
            stage.type.alone(*path, "--help", json_too=False)


def play_home(stage: Stage) -> None:
    """Homes are made, exported and imported. Makes those of Bob and Cleo."""
    place = stage.directory
    right, wrong = place / "right", place / "wrong"
    right.write_text(PASSPHRASE + "\n")
    wrong.write_text("battery staple\n")
    with stage.scene("home"):
        alone = stage.type.alone
        bob, cleo = str(place / "bob"), str(place / "cleo")
        alone("init", "--home", bob, "--key-file", "--name", "Bob")
        for json_too in (True, False):
            alone("init", "--home", bob, "--key-file", json_too=json_too)
            alone("status", "--home", bob, json_too=json_too)
            alone("export", str(place / f"bob-{json_too}.onmeet"), "--home", bob,
                  "--export-passphrase-file", str(right), json_too=json_too)  # fmt: skip
        alone("import", str(place / "bob-True.onmeet"), "--home", str(place / "again"),
              "--key-file", "--export-passphrase-file", str(right), json_too=False)  # fmt: skip
        alone("import", str(place / "bob-True.onmeet"), "--home", str(place / "never"),
              "--key-file", "--export-passphrase-file", str(wrong))  # fmt: skip
        alone("init", "--home", cleo, "--passphrase-file", str(right), "--name", "Cleo",
              json_too=False)  # fmt: skip
        alone("init", "--home", str(place / "never"))
        alone("up", "--home", str(place / "never"), "--no-app")
        alone("guest-page", "hashes", trim=_one_file)
        alone("profile", "--home", bob, "--share", "phone=all", json_too=False)


def _one_file(line: Any) -> Any:
    """The page's files have the names that their builder gives: one stands for all."""
    assert all(len(digest) == 64 for digest in line.values())
    return {"<file>": next(iter(line.values()))}


def play_first_run(stage: Stage) -> None:
    """Ann makes her home in a page; Cleo's is opened in one."""
    with stage.scene("first run"):
        with stage.page("ann", version=99) as page:
            page.shows("outdated")
            stage.record({"page": "ann", "is closed": page.ended()})
        with stage.page("ann", token="0" * 64, language="de") as page:
            stage.record({"page": "ann", "is closed": page.ended()})
        with stage.page("ann") as page:
            page.shows("welcome")
            page.shows("home", lambda home: home["phase"] == "new")
            page.ask("new-code")
            page.ask("unlock-home", passphrase="any")
            page.ask("create-home", name="Ann", keeper="passphrase")
            page.ask("create-home", name="Ann", keeper="key-file")
            page.shows("home", lambda home: home["reachable"] and home["bootstraps"] == 1)
            page.ask("create-home", name="Eve", keeper="key-file")
            page.ask("delete-everything", name="Bob")
            for kind in ("me", "people", "guests", "rooms", "calls"):
                page.shows(kind, lambda shown: shown.get("possible", True))
        with stage.page("cleo") as page:
            page.shows("home", lambda home: home["phase"] == "locked")
            page.ask("unlock-home", passphrase="battery staple")
            page.ask("delete-everything", name="Cleo")
            page.ask("unlock-home", passphrase=PASSPHRASE)
            page.shows("home", lambda home: home["reachable"] and home["bootstraps"] == 1)
            page.ask("unlock-home", passphrase=PASSPHRASE)
