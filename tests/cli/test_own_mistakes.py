"""Commands with a source or a recording that cannot be: told at once, in words, with status 1."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest

from onmeet_node.control import client
from onmeet_node.control.requests.node import ShowStatus
from onmeet_node.control.shapes import MAX_REQUEST_BYTES
from onmeet_node.protocol.wire.link import make_link
from tests.cli.test_cli import LONELY, home, node, run

__all__ = ["home"]
pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

LINK = make_link(door_secret=b"d" * 16, private_key=b"k" * 32, secret=b"s" * 16, expires=None).url(
    "http://127.0.0.1:1"
)


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


def test_a_passphrase_file_that_cannot_be_read_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(bytes(range(128, 256)))
    for name in ("missing", "binary"):
        done = run("init", "--passphrase-file", str(tmp_path / name), home=tmp_path / "new")
        assert done.returncode == 1
        assert "No passphrase can be read" in done.stderr


def test_what_is_too_long_for_a_request_is_said_to_be(home: Path) -> None:
    with node(home):
        for size in (MAX_REQUEST_BYTES - 100, 120_000):
            done = run("contacts", "add", "onmeet:" + "x" * size, "--json", home=home)
            assert done.returncode == 1
            assert json.loads(done.stdout.splitlines()[-1])["event"] == "error"
            assert "Traceback" not in done.stderr


def test_a_long_answer_is_read_whole_and_a_cut_one_is_told_in_words(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    long = json.dumps({"result": "x" * 5_000_000}).encode() + b"\n"
    for sent in (long, long[:-10]):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            (tmp_path / "control.sock").unlink(missing_ok=True)
            listener.bind(str(tmp_path / "control.sock"))
            listener.listen()

            def answer(listener: socket.socket = listener, sent: bytes = sent) -> None:
                link, _ = listener.accept()
                with link:
                    link.recv(65_536)
                    link.sendall(sent)

            thread = threading.Thread(target=answer)
            thread.start()
            if sent == long:
                assert len(client.ask(tmp_path, ShowStatus())) == 5_000_000
            else:
                with pytest.raises(client.CommandRefused, match="stopped"):
                    client.ask(tmp_path, ShowStatus())
            thread.join()
