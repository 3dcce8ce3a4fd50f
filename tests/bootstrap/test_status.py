"""What an operator is told of a running bootstrap."""

from __future__ import annotations

import json
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
import trio
from click.testing import CliRunner
from onmeet_bootstrap.app import open_bootstrap
from onmeet_bootstrap.cli import main
from onmeet_bootstrap.config.model import ephemeral_config
from onmeet_bootstrap.errors import NotRunning
from onmeet_bootstrap.status import ask_status, directories, serve_status

from onmeet_node.process import faults


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    # Not in `tmp_path`: a socket's path has 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="onmeet-") as directory:
        monkeypatch.setenv("XDG_RUNTIME_DIR", directory)
        monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
        yield Path(directory)


async def asked(home: Path) -> dict[str, object]:
    return await trio.to_thread.run_sync(ask_status, home)


async def test_numbers_come_over_a_socket_of_its_owner_alone(tmp_path: Path, runtime: Path) -> None:
    async with serve_status(tmp_path, lambda: {"circuits": 3}):
        (path,) = runtime.iterdir()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await asked(tmp_path) == {"circuits": 3}
        assert await asked(tmp_path) == {"circuits": 3}
        with pytest.raises(NotRunning):
            await asked(tmp_path / "another")
    assert list(runtime.iterdir()) == []


async def test_a_socket_left_by_a_killed_one_is_in_nobodys_way(
    tmp_path: Path, runtime: Path
) -> None:
    async with serve_status(tmp_path, dict):
        (path,) = runtime.iterdir()
        left = path.name
    (runtime / left).touch()
    with pytest.raises(NotRunning, match="onmeet-bootstrap run --home"):
        await asked(tmp_path)
    async with serve_status(tmp_path, lambda: {"circuits": 0}):
        assert await asked(tmp_path) == {"circuits": 0}


async def test_who_connects_and_stays_holds_up_nobody(tmp_path: Path, runtime: Path) -> None:
    with trio.fail_after(20):
        async with serve_status(tmp_path, lambda: {"circuits": 1}):
            (path,) = runtime.iterdir()
            async with await trio.open_unix_socket(path):
                assert await asked(tmp_path) == {"circuits": 1}


async def test_without_any_directory_it_serves_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    home = tmp_path / "absent"

    if not directories(home):  # a machine with our service has one
        async with serve_status(home, dict):
            assert "no status" in caplog.text


def test_the_command_says_plainly_that_none_runs(tmp_path: Path) -> None:
    plain = CliRunner().invoke(main, ["status", "--home", str(tmp_path)])
    assert plain.exit_code == 1
    assert "No bootstrap runs" in plain.output
    told = CliRunner().invoke(main, ["status", "--json", "--home", str(tmp_path)])
    assert json.loads(told.output)["kind"] == "NotRunning"


@pytest.mark.real
async def test_faults_that_ended_a_party_are_told_by_kind(tmp_path: Path) -> None:
    with faults.contained("web request"):
        raise ValueError("Zaphod")
    async with open_bootstrap(ephemeral_config()) as bootstrap:
        counted = attrs.asdict(bootstrap.counts())
        assert counted["faults"]["web request"] >= 1
        async with serve_status(tmp_path, lambda: counted):
            said = await trio.to_thread.run_sync(
                CliRunner().invoke, main, ["status", "--home", str(tmp_path)]
            )
    (line,) = [line for line in said.output.splitlines() if line.startswith("faults")]
    assert f"web request: {counted['faults']['web request']}" in line
