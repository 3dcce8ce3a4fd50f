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

from onmeet_node.control.requests.guests import AdmitGuest, NewLink
from onmeet_node.control.requests.node import ChangeSettings, ShowStatus
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
from tests.netlab.capture import Capture, captured
from tests.netlab.lab import Host, Lab
from tests.netlab.machines import (
    BOTH,
    PYTHON,
    SOUND,
    Dialling,
    Machine,
    befriend,
    gateway,
    hang_up,
)
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
        process = forkserver.Popen(
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
    dialling = Dialling(ana, ben, kinds=SOUND, **options)
    dialling.start()
    try:
        for machine in (ana, ben):
            machine.wait("media", SECONDS, after=dialling.began, kind="audio")
        yield
    finally:
        hang_up(ana)
        dialling.join(30)
    for machine in (ana, ben):
        until(lambda m=machine: not m.ask(ShowStatus())["calls"])


def people(machine: Machine) -> dict[str, Any]:
    rooms = machine.ask(ListRooms())["rooms"]
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


def _standing(title: str) -> NewRoom:
    return NewRoom(title=title, standing=True, kinds=SOUND, settle=True)


def leave(*machines: Machine) -> None:
    for machine in machines:
        machine.ask(ChangeRoom(action=RoomAction.LEAVE, settle=True))
        until(lambda m=machine: not m.ask(ListRooms())["rooms"])


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
            code = ben.ask(_standing("Ben's"))["code"]
            ana.ask(JoinRoom(code=code, kinds=SOUND, inside=True))
            cy.ask(JoinRoom(code=code, kinds=SOUND, inside=True))
            together(ana, ben, cy)
            leave(cy, ana, ben)

            # and host of her own, with a guest
            code = ana.ask(_standing("Ana's"))["code"]
            gus = place.guest(ana.ask(LinkToRoom())["url"], "Gus")
            with captured(gus) as of_gus:
                until(lambda: ana.ask(ListRooms())["rooms"][0]["knocking"])
                ana.ask(ChangeSeat(action=SeatAction.ADMIT))
                ben.ask(JoinRoom(code=code, kinds=SOUND, inside=True))
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
        link = ana.ask(NewLink())["url"]
        gus = place.guest(link, "Gus", "--relay-only")
        with captured(gus) as of_gus:
            until(lambda: ana.tells("knock", 1, after=0))
            ana.ask(AdmitGuest(kinds=BOTH))
            ana.wait("media", SECONDS, kind="audio")
    place.spoke_with_the_server_alone(of_ana, ana.host)
    place.spoke_with_the_server_alone(of_gus, gus)


def test_turned_on_in_a_call_it_leaves_no_packet_between_them(place: Place) -> None:
    ana, ben = place.up("Ana", "--auto-answer"), place.up("Ben", "--auto-answer")
    reachable(ana, ben)
    befriend(ana, ben)
    with speaking(ana, ben):
        assert ana.wait("connected")["path"] == "host"
        ana.ask(ChangeSettings(relay_only=True))
        until(lambda: [c["path"] for c in ana.ask(ShowStatus())["calls"]] == ["relay"])

        def quiet() -> bool:
            with captured(ana.host) as capture:
                time.sleep(1)  # time itself: sound is sent fifty times in it
            return bool(capture.frames) and ben.host.address not in capture.partners()

        until(quiet)
        before = ben.decoded()["audio"]
        until(lambda: ben.decoded()["audio"] > before + 50)
    ana.ask(ChangeSettings(relay_only=False))
    ben.forget()
    with speaking(ben, ana):
        assert ben.wait("connected")["path"] == "host"
