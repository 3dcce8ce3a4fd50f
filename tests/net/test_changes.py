"""Changes of the network and of the clock are noticed, and nothing else is."""

import os
import shutil
import subprocess
import sys

import pytest
import trio

from onmeet_node.net.network_changes import Change, Clocks, surroundings, watch_network

_CHILD = """
import subprocess, trio
from onmeet_node.net.network_changes import watch_network
def ip(*words):
    subprocess.run(["ip", *words], check=True)
async def main():
    ip("link", "set", "lo", "up")
    ip("link", "add", "one", "type", "veth", "peer", "name", "two")
    ip("link", "set", "one", "up")
    ip("link", "set", "two", "up")
    await trio.sleep(1)  # the link comes up
    async with watch_network() as changes:
        for words in (
            ("addr", "add", "192.0.2.5/24", "dev", "one"),
            ("route", "add", "default", "via", "192.0.2.1"),
            ("route", "replace", "default", "via", "192.0.2.2"),
            ("addr", "del", "192.0.2.5/24", "dev", "one"),
        ):
            await trio.sleep(0.01)
            ip(*words)
            with trio.fail_after(10):
                change = await changes.receive()
            print(change.addresses, flush=True)
        ip("link", "set", "one", "mtu", "1400")  # nothing of ours
        with trio.move_on_after(1):
            print(await changes.receive())
trio.run(main)
"""


@pytest.mark.real
@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None,
    reason="needs a network namespace: Linux, root and iproute2",
)
def test_addresses_and_routes_that_change_are_told_by_the_kernel():
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", _CHILD],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["True"] * 4, done.stderr


async def test_nothing_is_told_while_nothing_changes():
    async with watch_network() as changes:
        with trio.move_on_after(2.5):
            assert await changes.receive() is None


def test_the_surroundings_are_the_same_at_a_second_look():
    assert surroundings() == surroundings() != frozenset()


def clocks(wall: float, running: float, passing: float) -> Clocks:
    return Clocks(wall, running, passing)


NAN = float("nan")


@pytest.mark.parametrize(
    ("later", "change"),
    [
        (clocks(102, 12, 22), None),
        (clocks(104.5, 14.5, 24.5), None),  # a busy machine
        (clocks(3700, 12, 3620), Change(slept=3598)),  # the lid was closed
        (clocks(162, 72, 82), Change(slept=60)),  # stopped, and continued
        (clocks(702, 12, 22), Change(clock=600)),
        (clocks(-500, 12, 22), Change(clock=-602)),
    ],
)
def test_what_the_clocks_tell(later: Clocks, change: Change | None):
    assert later.since(clocks(100, 10, 20), 2) == change


def test_without_a_clock_that_runs_in_sleep_the_wall_clock_tells():
    assert clocks(3700, 12, NAN).since(clocks(100, 10, NAN), 2) == Change(slept=3598)
    assert clocks(102, 12, NAN).since(clocks(100, 10, NAN), 2) is None
