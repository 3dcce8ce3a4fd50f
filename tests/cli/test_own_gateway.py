"""A host that lets guests in by itself: no bootstrap's gateway, no bootstrap at all."""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from tests import forkserver

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def onmeet(*arguments, **options):
    done = forkserver.run(
        [sys.executable, "-m", "onmeet_node.cli", *map(str, arguments)], **options
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextmanager
def up(home, *options):
    command = [sys.executable, "-m", "onmeet_node.cli", "up", "--home", home, "--json"]
    process = forkserver.Popen(
        [*command, "--no-lan", "--no-app", *options], stdout=subprocess.PIPE, text=True
    )
    try:
        assert json.loads(process.stdout.readline())["event"] == "started"
        yield process
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def test_a_guest_comes_straight_to_the_host_and_again_after_its_restart(tmp_path):
    home = tmp_path / "host"
    onmeet("init", "--home", home, "--name", "Hedda", "--key-file", "--json")
    options = ("--source", "test", "--guests-on", "127.0.0.1:0")
    with up(home, *options) as _:
        [link] = onmeet("invite", "--let-in", "--room", "--home", home, "--json")
        guest = ("join", "-", "--name", "Paul", "--source", "test", "--seconds", "1", "--json")
        said = onmeet(*guest, stdin=link["url"] + "\n")
        events = [line["event"] for line in said]
        assert {"door", "admitted", "connected", "media"} <= set(events)
        assert events[-1] == "ended"
        port = link["url"].split(":")[2].partition("/")[0]
    with up(home, "--source", "test", "--guests-on", f"127.0.0.1:{port}"):
        assert onmeet(*guest, stdin=link["url"] + "\n")[-1]["reason"] == "left"


def test_who_joins_before_the_host_is_there_sees_each_try_and_comes_in(tmp_path):
    home = tmp_path / "host"
    onmeet("init", "--home", home, "--name", "Hedda", "--key-file", "--json")
    with up(home, "--source", "test", "--guests-on", "127.0.0.1:0"):
        [link] = onmeet("invite", "--let-in", "--room", "--home", home, "--json")
        port = link["url"].split(":")[2].partition("/")[0]
    guest = ("join", "-", "--name", "Paul", "--source", "test", "--seconds", "1", "--json")
    command = [sys.executable, "-m", "onmeet_node.cli", *guest]
    with forkserver.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as joining:
        try:
            joining.stdin.write(link["url"] + "\n")
            joining.stdin.close()
            for tries in (1, 2):
                said = json.loads(joining.stdout.readline())
                assert (said["event"], said["tries"]) == ("trying", tries)
            with up(home, "--source", "test", "--guests-on", f"127.0.0.1:{port}"):
                events = [json.loads(line) for line in joining.stdout]
            assert events[-1]["reason"] == "left"
            assert "admitted" in {event["event"] for event in events}
        finally:
            joining.kill()


def test_who_joins_without_patience_is_told_at_once_that_the_host_is_away(tmp_path):
    home = tmp_path / "host"
    onmeet("init", "--home", home, "--name", "Hedda", "--key-file", "--json")
    with up(home, "--source", "test", "--guests-on", "127.0.0.1:0"):
        [link] = onmeet("invite", "--let-in", "--room", "--home", home, "--json")
    done = forkserver.run(
        [sys.executable, "-m", "onmeet_node.cli", "join", "-", "--name", "Paul", "--patience", "0"],
        stdin=link["url"] + "\n",
    )
    assert done.returncode != 0
    assert "trying" not in done.stdout


@pytest.mark.parametrize(
    ("where", "says"),
    [("0.0.0.0:8443", "origin"), ("nowhere", "no address and port"), ("127.0.0.1:1", "Cannot")],
)
def test_what_cannot_be_served_is_refused_with_what_to_give(tmp_path, where, says):
    home = tmp_path / "host"
    onmeet("init", "--home", home, "--name", "Hedda", "--key-file", "--json")
    if says == "Cannot":
        taken = taken_port()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
    command = [sys.executable, "-m", "onmeet_node.cli", "up", "--home", home, "--no-lan"]
    done = forkserver.run([*command, "--no-app", "--guests-on", where])
    if says == "Cannot":
        taken.close()
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def taken_port():
    return socket.create_server(("127.0.0.1", 0))


def test_who_hides_lets_no_guest_come_to_the_machine_itself(tmp_path):
    home = tmp_path / "host"
    onmeet("init", "--home", home, "--name", "Hedda", "--key-file", "--json")
    refused = subprocess.run(
        [
            sys.executable,
            "-m",
            "onmeet_node.cli",
            "up",
            "--home",
            home,
            "--no-lan",
            "--no-app",
            "--guests-on",
            "127.0.0.1:0",
        ],
        env={**os.environ, "ONMEET_RELAY_ONLY": "true"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 1
    assert "Relay-only is on" in refused.stderr
    with up(home, "--source", "test", "--guests-on", "127.0.0.1:0"):
        onmeet("invite", "--let-in", "--room", "--home", home, "--json")
        onmeet("settings", "--relay-only", "--home", home, "--json")
        deadline = time.monotonic() + 60
        while not (trouble := onmeet("invite", "list", "--home", home, "--json")[0][0]["trouble"]):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert "not connected" in trouble
