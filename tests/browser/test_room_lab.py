"""A room as it is in the world: an app, three headless nodes and a guest with a browser, each on a
machine of its own, behind NATs that only a relay joins; and its host is killed.

NOTE: a third browser was more than two slow cores could carry.
"""

import array
import os
import random
import stat
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

import av
import pytest

from onmeet_node.control import shapes
from onmeet_node.control.requests.rooms import (
    ChangeRoom,
    ChangeSeat,
    JoinRoom,
    LinkToRoom,
    ListRooms,
    NewRoom,
    RoomAction,
    SeatAction,
)
from tests import forkserver
from tests.browser import steps
from tests.browser.conftest import CHROMIUM, FLAGS, window
from tests.browser.counting import HEIGHT, READ, WIDTH, devices, film
from tests.browser.test_rooms import join_by_code
from tests.media.support import shown
from tests.netlab.conftest import need
from tests.netlab.lab import Nat, missing, open_lab
from tests.netlab.machines import BOTH, Machine, gateway

pytestmark = [pytest.mark.real, pytest.mark.netlab, pytest.mark.slow, pytest.mark.timeout(600)]
SECONDS = 120
SMALL = {"viewport": {"width": 560, "height": 480}}
"""Pages are drawn by the processor here."""


def _join(code, record=None):
    headless = shapes.Headless(record=record) if record else None
    return JoinRoom(code=code, kinds=BOTH, headless=headless, inside=True)


@pytest.fixture
def lab():
    need(missing())
    with open_lab() as opened:
        yield opened


@contextmanager
def browser_on(chromium, host, directory, *flags):
    """A Chromium that lives on this machine, with a camera whose pictures are numbered."""
    start = directory / f"chromium-{host.name}"
    start.write_text(f'#!/bin/sh\nexec {" ".join(host.prefix)} {CHROMIUM} "$@"\n')
    start.chmod(stat.S_IRWXU)
    args = [*FLAGS, *devices(directory), *flags]
    browser = chromium.browser_type.launch(executable_path=os.fspath(start), args=args)
    try:
        yield browser
    finally:
        browser.close()


class Headless(Machine):
    """A node without an app."""

    def people(self):
        rooms = self.ask(ListRooms())["rooms"]
        return rooms[0]["people"] if rooms else []

    def room(self):
        return self.ask(ListRooms())["rooms"][0]

    def wait_whole(self, names, frames=20):
        """Until all these are in, see us, and so many frames of theirs were decoded here."""
        deadline = time.monotonic() + SECONDS
        while True:
            people = self.people()
            others = [p for p in people if not p["me"]]
            decoded = {p["name"]: [s["frames_decoded"] for s in p["streams"]] for p in others}
            if {p["name"] for p in people} == names and all(
                p["media"] and p["seen"] and min(decoded[p["name"]], default=0) > frames
                for p in others
            ):
                return
            assert time.monotonic() < deadline, (decoded, others)
            time.sleep(0.2)


def wait_moving(page, names):
    """Until the page has shown each of these move on from now."""
    deadline = time.monotonic() + SECONDS
    seen = {name: set() for name in names}
    while not all(len(numbers) > 5 for numbers in seen.values()):
        assert time.monotonic() < deadline, seen
        for name, counter in page.evaluate(READ).items():
            if name in seen:
                seen[name].add(counter)
        page.wait_for_timeout(100)


def until(holds, seconds=SECONDS):
    deadline = time.monotonic() + seconds
    while not (it := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return it


def test_five_meet_behind_nats_and_outlast_their_host(chromium, lab, tmp_path):
    seed = random.randrange(2**32)
    print(f"order by seed {seed}")
    place = lab.host("server")
    cone, symmetric = lab.router("cone", Nat.CONE), lab.router("sym", Nat.SYMMETRIC)
    hosts = {
        "Hal": lab.host("hal"),  # the room's host, headless
        "Rob": lab.host("rob", behind=cone),  # headless
        "Ann": lab.host("ann", behind=cone),
        "Bea": lab.host("bea", behind=symmetric),  # headless
        "Gus": lab.host("gus"),  # a guest
    }
    with ExitStack() as stack:
        address, origin = stack.enter_context(gateway(place, tmp_path / "server"))
        way = f"--bootstrap={address}"
        picture = film(tmp_path)
        nodes = {
            name: Headless(hosts[name], tmp_path / name) for name in ("Hal", "Rob", "Ann", "Bea")
        }
        pages = {}
        for name, machine in nodes.items():
            machine.init()
            listen = f"--listen=/ip4/{hosts[name].address}/tcp/0"
            shown = ("--app", "--no-browser", "--source", "none")
            options = shown if name == "Ann" else ("--no-app", "--source", picture)
            stack.enter_context(machine.up("--no-lan", way, listen, *options))
        browser = stack.enter_context(browser_on(chromium, hosts["Ann"], tmp_path))
        url = nodes["Ann"].wait("app")["url"]
        pages["Ann"] = stack.enter_context(window(browser, url, **SMALL)).page
        for machine in nodes.values():
            machine.wait("reachable", 90)

        code = nodes["Hal"].ask(NewRoom(title="Lab", standing=True, kinds=BOTH, settle=True))[
            "code"
        ]
        link = nodes["Hal"].ask(LinkToRoom())["url"]
        assert link.startswith(origin)
        record = tmp_path / "record"

        def come(name):
            if name == "Rob":
                nodes["Rob"].ask(_join(code, record=str(record)))
            elif name == "Gus":
                trusting = "--ignore-certificate-errors"
                browser = stack.enter_context(
                    browser_on(chromium, hosts["Gus"], tmp_path, trusting)
                )
                page = pages["Gus"] = stack.enter_context(window(browser, link, **SMALL)).page
                page.get_by_label("Your name").fill("Gus")
                page.get_by_role("button", name="Knock").click()
                until(lambda: nodes["Hal"].room()["knocking"])
                nodes["Hal"].ask(ChangeSeat(action=SeatAction.ADMIT))
            elif name == "Bea":
                nodes["Bea"].ask(_join(code))
            else:
                join_by_code(pages[name], code)

        order = ["Rob", "Ann", "Bea", "Gus"]
        random.Random(seed).shuffle(order)
        for name in order:
            come(name)
        everybody = {*hosts}
        for name, page in pages.items():
            wait_moving(page, everybody - {name})
        for name in ("Hal", "Rob", "Bea"):
            nodes[name].wait_whole(everybody)
        strings = [until(lambda n=name: nodes[n].room()["string"]) for name in ("Hal", "Rob")]
        assert len(set(strings)) == 1
        for page in pages.values():
            until(lambda page=page: loudness(page) > 0.01)  # they hear the tone
        # A cone and a symmetric NAT need TURN. A call that is moving has no path just then.
        (path,) = until(
            lambda: {p["path"] for p in nodes["Rob"].people() if p["name"] == "Bea"} - {None}
        )
        assert path == "relay"
        until(lambda: not nodes["Rob"].room()["warnings"])

        for name in ("Rob", "Ann", "Bea"):
            until(lambda name=name: all(p["here"] for p in nodes[name].people()))

        # the host dies
        keep = {p["name"]: p["call"] for p in nodes["Rob"].people()}
        nodes["Hal"].process.kill()
        killed = time.monotonic()

        def agreed():
            """The one whom all that are left call host, by one roster."""
            views = [nodes[name].room() for name in ("Rob", "Ann", "Bea")]
            hosts_named = {p["name"] for v in views for p in v["people"] if p["role"] == "host"}
            one_roster = len({tuple(v["version"]) for v in views}) == 1
            return hosts_named - {"Hal"} if one_roster and len(hosts_named) == 1 else None

        (heir_name,) = until(agreed)
        print(f"one roster after {time.monotonic() - killed:.1f} s")  # issue 6 asks for 5
        for name, page in pages.items():
            wait_moving(page, everybody - {name, "Hal"})
        after = {p["name"]: p["call"] for p in nodes["Rob"].people()}
        for name in ("Ann", "Bea", "Gus"):
            assert after[name] == keep[name], "the same call went on"

        # and a new guest comes in, by a link of whoever is host now
        heir = nodes[heir_name]
        again = heir.ask(LinkToRoom())["url"]
        late = forkserver.Popen(
            hosts["Gus"].command(
                sys.executable,
                "-m",
                "onmeet_node.cli",
                "join",
                "-",
                "--name",
                "Zoe",
                "--source",
                picture,
                "--json",
            ),
            env={**os.environ, "SSL_CERT_FILE": os.fspath(tmp_path / "server" / "turn.pem")},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # a pipe that nobody reads would stop it
            text=True,
        )
        stack.callback(late.wait, 20)
        stack.callback(late.terminate)
        late.stdin.write(again + "\n")
        late.stdin.close()
        until(lambda: any(k["name"] == "Zoe" for k in heir.room()["knocking"]))
        heir.ask(ChangeSeat(key="Zoe", action=SeatAction.ADMIT))
        left = everybody - {"Hal"} | {"Zoe"}
        for name, page in pages.items():
            wait_moving(page, left - {name})
        nodes["Rob"].ask(ChangeRoom(action=RoomAction.LEAVE, settle=True))
    _check(record, {"Ann", "Bea", "Gus"})


def loudness(page):
    video = page.locator("om-room-tile video").last
    return video.evaluate(steps.LOUDNESS)


def _check(record, names):
    """What Rob recorded of these: numbered pictures that go on, and their tone."""
    files = {file.name.split("-")[0]: file for file in record.iterdir()}
    for name in names:
        numbers, loudest = set(), 0.0
        with av.open(os.fspath(files[name])) as container:
            for frame in container.decode():
                if isinstance(frame, av.VideoFrame):
                    numbers.add(shown(frame, (WIDTH, HEIGHT)))
                else:
                    assert frame.format.name == "fltp"
                    samples = array.array("f", bytes(frame.planes[0]))
                    loudest = max(loudest, *samples)
        assert len(numbers - {None}) > 20, f"{name}: {len(numbers)} pictures"
        assert loudest > 0.05, f"{name} was not heard"
