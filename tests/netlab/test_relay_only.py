"""Relay-only as a setting, read from the packets: in calls, in rooms and with guests, as who comes
and as who is host, and when it is turned on in the middle.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.netlab.capture import Capture, captured
from tests.netlab.lab import Host, Lab
from tests.netlab.machines import PYTHON, Dialling, Machine, befriend, gateway, hang_up
from tests.netlab.scene import LISTEN
from tests.requirements import needs_coturn

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900), needs_coturn]
SECONDS = 150.0
"""For whatever is waited for: the machine may be busy with other things."""


def until(holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (it := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return it


@dataclass
class Place:
    """A server with everything, machines around it, all on one segment: nothing but their own
    restraint keeps them apart.
    """

    lab: Lab
    directory: Path
    server: Host
    address: str
    stack: ExitStack

    def up(self, name: str, *options: str, hidden: bool = False) -> Machine:
        """Ana, Ben or Cy. Who is hidden is not told to leave the local network alone."""
        machine = Machine(self.lab.host(name.lower()), self.directory / name)
        machine.init()
        quiet = () if hidden else ("--no-lan",)
        self.stack.enter_context(
            machine.up(
                *quiet,
                *LISTEN,
                *options,
                f"--bootstrap={self.address}",
                ONMEET_RELAY_ONLY="true" if hidden else "false",
            )
        )
        return machine

    def guest(self, url: str, name: str, *options: str) -> Host:
        """A guest without a browser, until the test ends."""
        host = self.lab.host(name.lower())
        certificate = os.fspath(self.directory / "server" / "turn.pem")
        process = subprocess.Popen(
            host.command(
                PYTHON,
                "-m",
                "onmeet_node.cli",
                *("join", "-", "--name", name, "--source", "test", "--json"),
                *options,
            ),
            env={**os.environ, "SSL_CERT_FILE": certificate},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        self.stack.callback(process.wait, 20)
        self.stack.callback(process.terminate)
        assert process.stdin is not None
        process.stdin.write(url + "\n")
        process.stdin.close()
        return host

    def spoke_with_the_server_alone(self, capture: Capture, *hosts: Host) -> None:
        """None of the machines but these and the server sent or got a packet in this capture."""
        allowed = {self.server.address, *(host.address for host in hosts)}
        assert self.server.address in capture.partners()
        assert capture.partners() <= allowed


@pytest.fixture
def place(lab: Lab, tmp_path: Path) -> Iterator[Place]:
    server = lab.host("server")
    with ExitStack() as stack:
        address, _ = stack.enter_context(gateway(server, tmp_path / "server"))
        yield Place(lab, tmp_path, server, address, stack)


def reachable(*machines: Machine) -> None:
    for machine in machines:
        machine.wait("reachable", SECONDS)


@contextmanager
def speaking(ana: Machine, ben: Machine, **options: Any) -> Iterator[None]:
    """A call with sound both ways, of two that need not answer at once."""
    dialling = Dialling(ana, ben, audio_only=True, **options)
    dialling.start()
    try:
        for machine in (ana, ben):
            machine.wait("media", SECONDS, after=dialling.began, kind="audio")
        yield
    finally:
        hang_up(ana)
        dialling.join(30)
    for machine in (ana, ben):
        until(lambda m=machine: not m.ask("status")["calls"])


def people(machine: Machine) -> dict[str, Any]:
    rooms = machine.ask("room.list")["rooms"]
    return {p["name"]: p for p in rooms[0]["people"] if not p["me"]} if rooms else {}


def together(*machines: Machine, with_: tuple[str, ...] = ()) -> None:
    """Until all of these (and guests) are in the room of each other, and hear each other."""
    names = {*(machine.name for machine in machines), *with_}
    for machine in machines:

        def whole(machine: Machine = machine) -> bool:
            others = people(machine)
            return others.keys() == names - {machine.name} and all(
                p["media"] and any(s["frames_decoded"] > 5 for s in p["streams"])
                for p in others.values()
            )

        until(whole)


def leave(*machines: Machine) -> None:
    for machine in machines:
        machine.ask("room.end", close_link=False)
        until(lambda m=machine: not m.ask("room.list")["rooms"])


def test_who_hides_exchanges_packets_with_the_server_alone_whatever_it_does(place: Place) -> None:
    ana = place.up("Ana", "--auto-answer", hidden=True)
    with captured(ana.host) as of_ana:
        ben, cy = place.up("Ben", "--auto-answer"), place.up("Cy", "--auto-answer")
        with captured(ben.host) as of_ben, captured(cy.host) as of_cy:
            reachable(ana, ben, cy)
            befriend(ana, ben)
            befriend(cy, ana)
            with speaking(ana, ben):
                pass
            with speaking(ben, ana):
                pass

            # a member of Ben's room, which Cy comes into later
            code = ben.ask("room.create", label="Ben's", knock=False, audio_only=True)["code"]
            ana.ask("room.join", code=code, audio_only=True)
            cy.ask("room.join", code=code, audio_only=True)
            together(ana, ben, cy)
            leave(cy, ana, ben)

            # and host of her own, with a guest
            code = ana.ask("room.create", label="Ana's", knock=False, audio_only=True)["code"]
            gus = place.guest(ana.ask("room.link")["url"], "Gus")
            with captured(gus) as of_gus:
                until(lambda: ana.ask("room.list")["rooms"][0]["knocking"])
                ana.ask("room.person", note="admit")
                ben.ask("room.join", code=code, audio_only=True)
                together(ana, ben, with_=("Gus",))
            leave(ben, ana)
    place.spoke_with_the_server_alone(of_ana, ana.host)
    for other in (of_ben, of_cy, of_gus):
        assert ana.host.address not in other.partners()
        assert other.mentions(ana.host.address) == 0, "no message names her either"
    assert ben.host.address in of_gus.partners() | of_cy.partners(), "others do meet directly"


def test_a_guest_of_a_call_that_hides_meets_a_host_that_hides(place: Place) -> None:
    ana = place.up("Ana", hidden=True)
    with captured(ana.host) as of_ana:
        reachable(ana)
        link = ana.ask("invite.new", title="")["url"]
        gus = place.guest(link, "Gus", "--relay-only")
        with captured(gus) as of_gus:
            until(lambda: ana.tells("knock", 1, after=0))
            ana.ask("guests.admit")
            ana.wait("media", SECONDS, kind="audio")
    place.spoke_with_the_server_alone(of_ana, ana.host)
    place.spoke_with_the_server_alone(of_gus, gus)


def test_turned_on_in_a_call_it_leaves_no_packet_between_them(place: Place) -> None:
    ana, ben = place.up("Ana", "--auto-answer"), place.up("Ben", "--auto-answer")
    reachable(ana, ben)
    befriend(ana, ben)
    with speaking(ana, ben):
        assert ana.wait("connected")["path"] == "host"
        ana.ask("settings", relays=True)
        until(lambda: [c["path"] for c in ana.ask("status")["calls"]] == ["relay"])

        def quiet() -> bool:
            with captured(ana.host) as capture:
                time.sleep(1)  # time itself: sound is sent fifty times in it
            return bool(capture.frames) and ben.host.address not in capture.partners()

        until(quiet)
        before = ben.decoded()["audio"]
        until(lambda: ben.decoded()["audio"] > before + 50)
    ana.ask("settings", relays=False)
    ben.forget()
    with speaking(ben, ana):
        assert ben.wait("connected")["path"] == "host"
