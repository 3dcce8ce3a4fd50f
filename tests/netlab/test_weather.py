"""Calls over networks that lose and delay packets, within one LAN, and from IPv6 to both."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.netlab.lab import Lab, Nat
from tests.netlab.machines import Machine, befriend, bootstrap, call
from tests.netlab.scene import open_scene, until_media

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]

DELAYS_MS = (0, 40, 150)
LOSSES = (0.0, 0.02, 0.05, 0.1)


def test_calls_connect_and_flow_at_every_loss_and_delay(slow_lab: Lab, tmp_path: Path) -> None:
    with open_scene(slow_lab, tmp_path) as scene:
        for delay in DELAYS_MS:
            # One call a delay begins in the worst weather, and sees the others.
            slow_lab.set(delay_ms=delay, loss=max(LOSSES))
            with call(scene.ana, scene.ben):
                for loss in LOSSES:
                    slow_lab.set(delay_ms=delay, loss=loss)
                    for machine in (scene.ana, scene.ben):
                        until_media(machine, 15)
                slow_lab.set(delay_ms=0)  # a hang-up that is lost would be another test


def test_two_behind_one_router_talk_directly(lab: Lab, tmp_path: Path) -> None:
    home = lab.router("home", Nat.SYMMETRIC)  # which nobody gets through by punching
    ana, ben = (lab.host(name, behind=home) for name in ("ana", "ben"))
    with (
        open_scene(lab, tmp_path, ana=ana, ben=ben) as scene,
        call(scene.ana, scene.ben) as dialling,
    ):
        assert scene.ana.wait("connected", after=dialling.began)["path"] == "host"


def test_somebody_with_ipv6_alone_and_somebody_with_both_talk(lab: Lab, tmp_path: Path) -> None:
    ana, ben = (Machine(lab.host(name.lower()), tmp_path / name) for name in ("Ana", "Ben"))
    server = lab.host("server")
    v6 = server.speak_ipv6()
    ana.host.speak_ipv6(alone=True)
    ben.host.speak_ipv6()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(Machine.init, (ana, ben)))
    listen = (f"/ip4/{server.address}/tcp/4001", f"/ip6/{v6}/tcp/4001")
    with ExitStack() as stack:
        addresses, _ = stack.enter_context(bootstrap(server, tmp_path / "boot", listen=listen))
        ways = [f"--bootstrap={address}" for address in addresses]
        for machine in (ana, ben):
            stack.enter_context(machine.up("--no-lan", "--auto-answer", *ways))
        for machine in (ana, ben):
            machine.wait("reachable", 180)
        befriend(ana, ben)
        for caller, callee in ((ana, ben), (ben, ana)):
            with call(caller, callee) as dialling:
                assert caller.wait("connected", after=dialling.began)["path"] == "host"
