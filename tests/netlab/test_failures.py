"""What a running call does when a part of the world goes away; the bounds are the issue's."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from onmeet_node.control.requests.calls import Take
from tests.netlab.capture import captured
from tests.netlab.lab import Lab, Nat
from tests.netlab.machines import Dialling, call, hang_up
from tests.netlab.scene import Scene, open_scene, until_media

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(150)]

PROOF_SECONDS = 0.5
"""What `until_media` takes of a call that nothing happened to."""
KEPT_SECONDS = 45
DEAD_CHANNEL_SECONDS = 20.0
"""Longer than a channel takes to be given up (15 s)."""
"""For which a call without a path is kept."""


@pytest.fixture
def scene(lab: Lab, tmp_path: Path) -> Iterator[Scene]:
    """Two open hosts and one bootstrap."""
    with open_scene(lab, tmp_path) as opened:
        yield opened


def until_noticed(scene: Scene, happens: Callable[[], None]) -> float:
    """Seconds from a blow that hits Ben until Ana's node says that something is wrong."""
    began = time.monotonic()
    happens()
    told = scene.ana.wait("state", 30, after=began, state="reconnecting")
    return float(told["t"]) - began


class TestThePeer:
    def test_a_killed_one_is_noticed_within_a_second(self, scene: Scene) -> None:
        dialling = Dialling(scene.ana, scene.ben)
        dialling.start()
        scene.ana.wait("media", kind="video")
        assert until_noticed(scene, lambda: scene.ben.kill(signal.SIGKILL)) <= 1
        hang_up(scene.ana)
        dialling.join(30)

    def test_a_pulled_cable_is_noticed_within_eight_and_plugged_in_again_it_talks_on(
        self, scene: Scene
    ) -> None:
        with call(scene.ana, scene.ben):
            assert until_noticed(scene, scene.ben.host.silence) <= 8
            scene.ben.host.restore()
            for machine in (scene.ana, scene.ben):
                until_media(machine, KEPT_SECONDS)

    def test_a_frozen_one_is_noticed_within_fifteen_and_thawed_it_talks_on(
        self, scene: Scene
    ) -> None:
        with call(scene.ana, scene.ben):
            try:
                assert until_noticed(scene, lambda: scene.ben.kill(signal.SIGSTOP)) <= 15
            finally:
                scene.ben.kill(signal.SIGCONT)
            for machine in (scene.ana, scene.ben):
                until_media(machine, KEPT_SECONDS)

    @pytest.mark.parametrize("mover", ["ana", "ben"])
    def test_after_a_change_of_address_media_flows_again_within_three(
        self, lab: Lab, scene: Scene, mover: str
    ) -> None:
        with call(scene.ana, scene.ben):
            getattr(scene, mover).host.move(lab.public_address())
            for machine in (scene.ana, scene.ben):
                assert until_media(machine, 20) <= 3 + PROOF_SECONDS


class TestServers:
    def test_a_relayed_call_outlives_its_coturn_which_is_started_again(
        self, lab: Lab, tmp_path: Path
    ) -> None:
        with (
            open_scene(lab, tmp_path) as scene,
            call(scene.ana, scene.ben, relay_only=True),
        ):
            assert scene.ana.wait("connected")["path"] == "relay"
            os.kill(scene.relaying().coturn(), signal.SIGKILL)
            for machine in (scene.ana, scene.ben):
                until_media(machine, KEPT_SECONDS)

    def test_a_relayed_call_moves_to_the_other_bootstrap(self, lab: Lab, tmp_path: Path) -> None:
        with (
            open_scene(lab, tmp_path, servers=2) as scene,
            call(scene.ana, scene.ben, relay_only=True),
        ):
            used = scene.relaying()
            os.kill(used.coturn(), signal.SIGKILL)
            used.process.kill()
            for machine in (scene.ana, scene.ben):
                until_media(machine, KEPT_SECONDS)
            assert scene.relaying() is not used

    def test_a_relay_that_hangs_alone_does_not_touch_media_through_turn(
        self, lab: Lab, tmp_path: Path
    ) -> None:
        homes = [lab.host(name, behind=lab.router(f"r{name}", Nat.CONE)) for name in ("ana", "ben")]
        with (
            open_scene(lab, tmp_path, ana=homes[0], ben=homes[1], hiding=True) as scene,
            call(scene.ana, scene.ben),
        ):
            assert scene.ana.wait("connected")["path"] == "relay"
            relay = scene.servers[0].process
            os.kill(relay.pid, signal.SIGSTOP)  # killed, it would take its coturn along
            try:
                began = time.monotonic()
                while time.monotonic() - began < DEAD_CHANNEL_SECONDS:
                    for machine in (scene.ana, scene.ben):
                        until_media(machine, 15)
                assert not scene.ana.tells("ended", 0, after=began)
            finally:
                os.kill(relay.pid, signal.SIGCONT)
            for machine in (scene.ana, scene.ben):
                until_media(machine, KEPT_SECONDS)

    def test_who_dials_when_the_only_server_is_gone_is_told_within_twenty(
        self, lab: Lab, tmp_path: Path
    ) -> None:
        homes = [lab.host(name, behind=lab.router(f"r{name}", Nat.CONE)) for name in ("ana", "ben")]
        with open_scene(lab, tmp_path, ana=homes[0], ben=homes[1], hiding=True) as scene:
            scene.servers[0].host.silence()
            began = time.monotonic()
            dialling = Dialling(scene.ana, scene.ben)
            dialling.start()
            ended = scene.ana.wait("ended", 20, after=began)
            assert ended["reason"] == "not-reachable"
            assert "onmeet doctor" in ended["sentence"]
            dialling.join(30)

    def test_a_bootstrap_that_dies_while_it_rings_costs_no_call(
        self, lab: Lab, tmp_path: Path
    ) -> None:
        with open_scene(lab, tmp_path, answering=False) as scene:
            dialling = Dialling(scene.ana, scene.ben)
            dialling.start()
            scene.ben.wait("incoming")
            scene.servers[0].process.kill()
            scene.ben.ask(Take())
            for machine in (scene.ana, scene.ben):
                machine.wait("media", 20, kind="video")
            hang_up(scene.ana)
            dialling.join(30)

    def test_hidden_people_whose_only_server_goes_while_it_rings_are_told_within_twenty(
        self, lab: Lab, tmp_path: Path
    ) -> None:
        with open_scene(lab, tmp_path, answering=False) as scene:
            dialling = Dialling(scene.ana, scene.ben, relay_only=True)
            dialling.start()
            scene.ben.wait("incoming")
            scene.servers[0].host.silence()
            began = time.monotonic()
            scene.ben.ask(Take())
            if not scene.ana.tells("connected", 20, after=began):
                reason = scene.ana.wait("ended", 1, after=began)["reason"]
                assert reason != "peer-hung-up"
            hang_up(scene.ana)
            dialling.join(30)


class TestHiding:
    def test_the_callers_packets_name_the_relay_and_never_the_callee(
        self, lab: Lab, tmp_path: Path
    ) -> None:
        homes = [lab.host(name, behind=lab.router(f"r{name}", Nat.CONE)) for name in ("ana", "ben")]
        with open_scene(lab, tmp_path, ana=homes[0], ben=homes[1], hiding=True) as scene:
            with captured(scene.ana.host) as capture, call(scene.ana, scene.ben):
                assert scene.ana.wait("connected")["path"] == "relay"
                for machine in (scene.ana, scene.ben):
                    until_media(machine, 20)
            server = scene.servers[0].host.address
            assert server in capture.partners()
            for address in (scene.ben.host.address, scene.ben.host.outside):
                assert address not in capture.partners()
                assert capture.mentions(address) == 0
            assert capture.mentions(server) > 0
