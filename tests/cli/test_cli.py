"""The commands as a person or a program runs them: processes, exit codes, words."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from onmeet_node.protocol.identity.safety import SAS_DIGITS
from tests import forkserver

ONMEET = [sys.executable, "-m", "onmeet_node.cli"]
LONELY = ("--no-lan", "--listen", "/ip4/127.0.0.1/tcp/0")
pytestmark = pytest.mark.real


def run(
    *arguments: str, home: Path | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    place = ["--home", str(home)] if home is not None else []
    return forkserver.run([*ONMEET, *arguments, *place], stdin=stdin)


def as_a_person(*arguments: str) -> subprocess.CompletedProcess[str]:
    """One command, loaded and all."""
    return subprocess.run(
        [*ONMEET, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An initialized home."""
    place = tmp_path / "home"
    done = run("init", "--key-file", "--name", "Ana", "--json", home=place)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["identity"]) == 64
    return place


@contextmanager
def node(
    home: Path, *, begin: type[subprocess.Popen[str]] = forkserver.Popen
) -> Iterator[subprocess.Popen[str]]:
    """A running node; it is interrupted at the end, and must end by itself then."""
    process = begin(
        [*ONMEET, "up", "--json", "--home", str(home), *LONELY],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["event"] == "started"
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 0, errors
        assert errors == ""


def loading(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command, whose last line then says what heavy it loaded."""
    script = (
        "import sys, onmeet_node, onmeet_node.cli\n"
        "sys.argv[0] = 'onmeet'\ntry: onmeet_node.cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'libp2p', 'aiortc', 'av', 'trio', 'asyncio', 'rich', 'sqlcipher3'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )


def test_help_answers_without_loading_anything_heavy() -> None:
    done = loading("--help")
    assert "onmeet call NAME" in " ".join(done.stdout.split())
    assert done.stdout.strip().endswith("[]")


@pytest.mark.parametrize(
    "command", ["status", "settings", "history", "contacts list", "room list", "guests", "doctor"]
)
def test_what_asks_the_node_loads_nothing_that_only_a_node_needs(
    command: str, tmp_path: Path
) -> None:
    done = loading(*command.split(), "--home", str(tmp_path))
    assert "No node runs" in done.stderr
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "command",
    "init up export import status code contacts profile settings call answer decline hangup mute "  # noqa: SIM905
    "history doctor demo".split(),
)
def test_every_command_explains_itself(command: str) -> None:
    done = as_a_person(command, "--help")
    assert done.returncode == 0
    assert "--json" in done.stdout or "Commands:" in done.stdout


@pytest.mark.parametrize(
    "command",
    [["status"], ["call", "Bob"], ["contacts", "list"], ["answer"], ["history"], ["code", "new"]],
)
def test_commands_say_plainly_that_no_node_runs(command: list[str], home: Path) -> None:
    done = as_a_person(*command, "--home", str(home))
    assert done.returncode == 1
    assert "onmeet up" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_home_is_not_made_twice(home: Path) -> None:
    done = run("init", "--key-file", home=home)
    assert done.returncode == 1
    assert str(home) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_passphrase_is_asked_for_and_a_wrong_one_refused(tmp_path: Path) -> None:
    home, right, wrong = tmp_path / "home", tmp_path / "right", tmp_path / "wrong"
    right.write_text("correct horse\n")
    wrong.write_text("battery staple\n")
    assert run("init", "--passphrase-file", str(right), home=home).returncode == 0
    nobody = run("up", *LONELY, home=home)
    assert nobody.returncode == 1
    assert "--passphrase-file" in nobody.stderr
    refused = run("up", *LONELY, "--passphrase-file", str(wrong), home=home)
    assert refused.returncode == 1
    assert "passphrase" in refused.stderr.lower()
    assert "battery" not in refused.stderr


def test_a_home_in_use_is_not_opened_by_a_second_node(home: Path) -> None:
    with node(home):
        second = run("up", *LONELY, home=home)
        assert second.returncode == 1
        assert "runs" in second.stderr or "use" in second.stderr
        assert run("status", "--json", home=home).returncode == 0


def test_ctrl_c_ends_a_node_and_leaves_no_socket(home: Path) -> None:
    with node(home, begin=subprocess.Popen):
        assert (home / "control.sock").stat().st_mode & 0o777 == 0o600
    assert not (home / "control.sock").exists()


def test_the_node_is_controlled_and_remembers(home: Path) -> None:
    with node(home):
        profile = json.loads(
            run(
                "profile", "--country", "ca", "--share", "phone=contacts", "--json", home=home
            ).stdout
        )
        assert profile["country"] == "CA"
        assert profile["shares"]["phone"] == "contacts"
        bad = run("profile", "--country", "Canada", home=home)
        assert bad.returncode == 1
        assert "two letters" in bad.stderr
        changed = run("settings", "--relay-only", "--region", "ca", "--json", home=home)
        assert json.loads(changed.stdout) == {"relay_only": True, "region": "ca", "bootstraps": []}
        bad = run("settings", "--add-bootstrap", "example.org", home=home)
        assert bad.returncode == 1
        assert "no usable address" in bad.stderr
        code = json.loads(run("code", "new", "--label", "club", "--json", home=home).stdout)
        assert code["uri"].startswith("onmeet:")
        own = run("contacts", "add", code["uri"], home=home)
        assert own.returncode == 1
        assert "your own code" in own.stderr
        typo = run("contacts", "add", code["uri"][:-1] + "zz"[code["uri"][-1] == "z"], home=home)
        assert typo.returncode == 1
        assert run("code", "revoke", "club", home=home).returncode == 0
        assert json.loads(run("code", "list", "--json", home=home).stdout) == []
        assert run("hangup", home=home).returncode == 1
    with node(home):
        again = json.loads(run("profile", "--json", home=home).stdout)
        assert (again["name"], again["country"]) == ("Ana", "CA")


def test_a_call_to_somebody_unknown_is_refused_in_words(home: Path) -> None:
    with node(home):
        done = run("call", "Nobody", home=home)
    assert done.returncode == 1
    assert "contacts list" in done.stderr


def test_an_export_brings_the_same_person_to_another_home(home: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("carry me over\n")
    file, other = tmp_path / "ana.onmeet", tmp_path / "other"
    with node(home):
        made = json.loads(run("code", "new", "--json", home=home).stdout)
        before = json.loads(run("status", "--json", home=home).stdout)
        done = run("export", str(file), "--export-passphrase-file", str(secret), home=home)
        assert done.returncode == 0, done.stderr
    done = run(
        "import", str(file), "--export-passphrase-file", str(secret), "--key-file", home=other
    )
    assert done.returncode == 0, done.stderr
    with node(other):
        after = json.loads(run("status", "--json", home=other).stdout)
        assert after["identity"] == before["identity"]
        assert after["peer_id"] != before["peer_id"]
        (code,) = json.loads(run("code", "list", "--json", home=other).stdout)
        assert code["uri"] == made["uri"]


@pytest.mark.parametrize(
    "sent",
    [
        b"garbage\n",
        b"{}\n",
        b"[]\n",
        b"7\n",
        b'{"do": "fly"}\n',
        b'{"do": "show-status", "extra": 1}\n',
        b"x" * 70_000,
    ],
    ids=["garbage", "empty", "a list", "a number", "unknown", "extra", "endless"],
)
def test_the_control_socket_refuses_what_it_does_not_know(sent: bytes, home: Path) -> None:
    with node(home):
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            link.connect(str(home / "control.sock"))
            link.sendall(sent)
            answer = json.loads(link.makefile("rb").readline())
            assert "error" in answer
            assert "an error of its own" not in str(answer), "it was refused, not stumbled over"
        assert run("status", home=home).returncode == 0


def test_a_bad_configuration_names_the_file_and_the_field(home: Path) -> None:
    (home / "onmeet.toml").write_text("lisen = []\n")
    done = run("up", *LONELY, home=home)
    assert done.returncode == 1
    assert "onmeet.toml" in done.stderr
    assert "lisen" in done.stderr


def test_nothing_is_left_when_a_call_command_is_interrupted(home: Path) -> None:
    with node(home):
        other = home.parent / "other"
        assert run("init", "--key-file", home=other).returncode == 0
        with node(other):
            code = json.loads(run("code", "new", "--json", home=other).stdout)["uri"]
        caller = forkserver.Popen(
            [*ONMEET, "call", code, "--json", "--home", str(home)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert caller.stdout is not None
        assert json.loads(caller.stdout.readline())["state"] == "dialing"
        caller.send_signal(signal.SIGINT)
        last = caller.communicate(timeout=20)[0].splitlines()[-1]
        assert json.loads(last)["reason"] == "cancelled"
        assert json.loads(run("status", "--json", home=home).stdout)["calls"] == []


@pytest.mark.slow
def test_the_demo_shows_a_whole_call(tmp_path: Path) -> None:
    began = time.monotonic()
    done = subprocess.run(
        [*ONMEET, "demo", "--json", "--seconds", "1", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "ONMEET_HOME": str(tmp_path / "nowhere")},
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["path"] == "host"
    assert len(facts["sas"].replace(" ", "")) == SAS_DIGITS
    for person in ("alice", "bob"):
        assert facts[f"{person}_frames"]["video"] > 0
        assert facts[f"{person}_frames"]["audio"] > 0
        assert Path(facts[f"{person}_picture"]).read_bytes().startswith(b"\x89PNG")
    assert facts["alice_history"]["reason"] == "hung-up"
    assert facts["bob_history"]["reason"] == "peer-hung-up"
    assert time.monotonic() - began < 100
