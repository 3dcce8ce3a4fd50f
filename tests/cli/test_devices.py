"""``onmeet link`` on a new device, and ``onmeet devices`` on the one that there is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_cli import LONELY, run
from tests.cli.test_rooms import bootstrap
from tests.cli.test_spoken import Begin, begin

__all__ = ["begin"]
pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


def devices(home: Path) -> list[dict[str, object]]:
    return list(json.loads(run("devices", "--json", home=home).stdout))


def test_a_device_is_linked_listed_and_revoked(tmp_path: Path, begin: Begin) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    with bootstrap(tmp_path / "bootstrap") as way:
        assert run("init", "--key-file", "--name", "Ana", home=old).returncode == 0
        node = begin("up", "--no-app", *LONELY, "--bootstrap", way, home=old)
        node.wait(event="reachable")
        linking = begin("link", "--key-file", "--name", "phone", "--bootstrap", way, home=new)
        code = linking.wait(event="link-offered")["code"]
        added = run("devices", "add", code, "--yes", home=old)
        assert added.returncode == 0, added.stderr
        shown, last = added.stdout.splitlines()
        assert last.startswith("phone is linked.")
        words = linking.wait(event="link-words")["words"]
        assert shown == f"phone shows: {' '.join(words)}"
        assert linking.ended() == 0

        # The new home is hers, and comes in by what the old node lends it.
        phone = begin("up", "--no-app", *LONELY, "--bootstrap", way, home=new)
        phone.wait(event="reachable")
        there = devices(old)
        assert [device["name"] for device in there][1:] == ["phone"]
        assert [device["holds_identity"] for device in there] == [True, False]
        refused = run("code", "new", home=new)
        assert "This is a linked device" in refused.stderr
        again = run("link", "--key-file", "--bootstrap", way, home=new)
        assert again.returncode == 1

        revoked = run("devices", "revoke", "phone", home=old)
        assert revoked.stdout.startswith("phone is revoked.")
        assert len(devices(old)) == 1
