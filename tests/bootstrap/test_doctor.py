"""`onmeet-bootstrap doctor` names the right cause in each broken set-up."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest
import trio
from click.testing import CliRunner
from onmeet_bootstrap.app import open_bootstrap
from onmeet_bootstrap.cli import main
from onmeet_bootstrap.config.file import create
from onmeet_bootstrap.config.model import BootstrapConfig, TurnConfig, ephemeral_config
from onmeet_bootstrap.doctor.inside import examine_inside
from onmeet_bootstrap.doctor.outside import View, examine
from onmeet_bootstrap.status import serve_status
from onmeet_bootstrap.turn.coturn import open_coturn

from onmeet_node.findings import Finding, Level
from tests.bootstrap.ports import free_port
from tests.bootstrap.setups import certificate, turn, with_turn
from tests.requirements import needs_coturn

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))


async def inside(home: Path, view: View | None = None) -> list[Finding]:
    found: list[Finding] = []
    with trio.fail_after(60):
        await examine_inside(home, found.append, view)
    return found


async def outside(*addresses: str, view: View | None = None) -> list[Finding]:
    found: list[Finding] = []
    with trio.fail_after(60):
        await examine(addresses, found.append, view)
    return found


def causes(found: list[Finding], level: Level = Level.BAD) -> list[str]:
    assert all(each.remedy for each in found if each.level is not Level.GOOD)
    return [each.what for each in found if each.level is level]


def config(**settings: object) -> BootstrapConfig:
    listen = (f"/ip4/127.0.0.1/tcp/{free_port()}",)
    return attrs.evolve(ephemeral_config(), **{"listen": listen, "region": "de", **settings})


def made(tmp_path: Path, **settings: object) -> Path:
    home = tmp_path / "home"
    create(home, config(**settings))
    return home


@contextmanager
def taken_port() -> Iterator[int]:
    """A TCP port of another program, which answers nothing."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@contextmanager
def blocked_port() -> Iterator[int]:
    """A TCP port at which packets are dropped, as by a firewall: its queue is full."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        try:
            yield full.getsockname()[1]
        finally:
            for filler in fillers:
                filler.close()


# ── what is whole ────────────────────────────────────────────────────────────────────────────────
@needs_coturn
async def test_nothing_is_wrong_with_a_whole_one_from_inside_and_outside(tmp_path: Path) -> None:
    files = certificate(tmp_path, "localhost")
    view = View(tls=ssl.create_default_context(cafile=files["certificate"]))
    lent = turn(domain="localhost", tls_port=free_port(), **files)
    made_config = config(turn=lent)
    home = tmp_path / "home"
    create(home, made_config)
    async with open_bootstrap(made_config) as bootstrap, serve_status(home, dict):
        here = await inside(home, view)
        there = await outside(*bootstrap.addresses, view=view)
    assert causes(here) == causes(there) == []
    assert causes(there, Level.POOR) == []
    assert not any("clock and this machine" in each for each in causes(here, Level.GOOD))
    for service in ("TURN over UDP", "TURN over TCP", "TURN over TLS", "circuit relay", "DHT"):
        assert any(service in each for each in causes(here, Level.GOOD)), service
        assert any(service in each for each in causes(there, Level.GOOD)), service


# ── inside ───────────────────────────────────────────────────────────────────────────────────────
async def test_a_key_that_others_can_read(tmp_path: Path) -> None:
    home = made(tmp_path)
    (home / "bootstrap.key").chmod(0o644)
    (found,) = await inside(home)
    assert "Others can read" in found.what
    assert "chmod 600" in found.remedy


async def test_a_configuration_with_an_unknown_key(tmp_path: Path) -> None:
    home = made(tmp_path)
    file = home / "bootstrap.toml"
    file.write_text(file.read_text().replace("max_circuits", "maximal_circuits"))
    (found,) = await inside(home)
    assert "maximal_circuits is unknown" in found.what
    assert "max_circuits" in found.remedy


async def test_coturn_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (what,) = causes(await inside(made(tmp_path, turn=turn())))
    assert "coturn is not installed" in what


async def test_a_port_in_use(tmp_path: Path) -> None:
    with taken_port() as port:
        home = made(tmp_path, listen=(f"/ip4/127.0.0.1/tcp/{port}",))
        (what,) = causes(await inside(home))
    assert f"TCP port {port} cannot be listened on" in what


@needs_coturn
async def test_a_port_of_turn_in_use(tmp_path: Path) -> None:
    with taken_port() as port:
        (what,) = causes(await inside(made(tmp_path, turn=turn(port=port))))
    assert f"TCP port {port} is taken by another program" in what


@needs_coturn
@pytest.mark.parametrize(
    ("name", "days", "level", "says"),
    [
        ("localhost", -1, Level.BAD, "expired on"),
        ("other.example", 30, Level.BAD, "is for other.example, not for localhost"),
        ("localhost", 10, Level.POOR, "The certificate of [turn] ends on"),
    ],
)
async def test_a_certificate_that_is_or_will_be_void(
    tmp_path: Path, name: str, days: float, level: Level, says: str
) -> None:
    files = certificate(tmp_path, name, days=days)
    lent = turn(domain="localhost", tls_port=free_port(), **files)
    found = await inside(made(tmp_path, turn=lent))
    assert any(says in what for what in causes(found, level))
    assert len(causes(found)) == (level is Level.BAD)


def elsewhere(tmp_path: Path, port: int, secret: str) -> TurnConfig:
    file = tmp_path / "secret"
    file.write_text(secret)
    file.chmod(0o600)
    url = f"turn:127.0.0.1:{port}?transport"
    return TurnConfig(urls=(f"{url}=udp", f"{url}=tcp"), secret_file=str(file))


@needs_coturn
async def test_the_secret_of_somebody_elses_turn_server_is_wrong(tmp_path: Path) -> None:
    theirs = turn()
    async with open_coturn(theirs, "right"):
        wrong = await inside(made(tmp_path, turn=elsewhere(tmp_path, theirs.port, "wrong")))
        (tmp_path / "secret").write_text("right")
        right = await inside(tmp_path / "home")
    assert len(causes(wrong)) == 2
    assert all(
        "the shared secret is wrong or that server's clock" in each for each in causes(wrong)
    )
    assert causes(right) == []


async def test_somebody_elses_turn_server_is_blocked_or_dead(tmp_path: Path) -> None:
    with (
        blocked_port() as port,
        socket.socket(type=socket.SOCK_DGRAM) as silent,
    ):
        silent.bind(("127.0.0.1", port))
        home = made(tmp_path, turn=elsewhere(tmp_path, port, "secret"))
        udp, tcp = causes(await inside(home))
        assert f"TURN over UDP is blocked or dead: UDP port {port} is silent" in udp
        assert f"TURN over TCP is blocked or dead: TCP port {port} is silent" in tcp
    udp, tcp = causes(await inside(home))
    assert "TURN over UDP is dead: nobody listens" in udp
    assert "TURN over TCP is dead: nobody listens" in tcp


async def test_an_address_that_this_machine_does_not_have(tmp_path: Path) -> None:
    home = made(tmp_path, announce=("/ip4/203.0.113.5/tcp/4001",))
    assert any(
        "203.0.113.5 is not one of" in each for each in causes(await inside(home), Level.POOR)
    )


def test_the_command_ends_with_1_and_says_the_same_in_json(tmp_path: Path) -> None:
    plain = CliRunner().invoke(main, ["doctor", "--home", str(tmp_path)])
    assert plain.exit_code == 1
    assert "bad   There is no" in plain.output
    told = CliRunner().invoke(main, ["doctor", "--json", "--home", str(tmp_path)])
    assert json.loads(told.output)["level"] == "bad"


# ── outside ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("minutes", "says"), [(10, "10 minutes ahead of"), (-10, "10 minutes behind")]
)
async def test_a_clock_ten_minutes_off(minutes: int, says: str) -> None:
    view = View(wall_clock=lambda: time.time() + 60 * minutes)
    async with open_bootstrap(config()) as bootstrap:
        (what,) = causes(await outside(*bootstrap.addresses, view=view))
    assert (
        says in what or f"{abs(minutes) - 1} minutes" in what
    )  # a description is 30 s old at most


async def test_an_announced_address_that_cannot_be_reached() -> None:
    async with open_bootstrap(config()) as bootstrap:
        peer = f"/p2p/{bootstrap.peer_id}"
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
            (what,) = causes(await outside(f"/ip4/127.0.0.1/tcp/{port}{peer}"))
            assert f"nobody listens at TCP port {port}" in what
        with blocked_port() as port:
            (what,) = causes(await outside(f"/ip4/127.0.0.1/tcp/{port}{peer}"))
            assert f"TCP port {port} is silent" in what


async def test_an_address_with_the_key_of_another() -> None:
    async with open_bootstrap(config()) as one, open_bootstrap(config()) as other:
        address = one.addresses[0].replace(one.peer_id, other.peer_id)
        (what,) = causes(await outside(address))
    assert "not the bootstrap of this PeerId" in what


@needs_coturn
async def test_a_coturn_that_hangs_is_named(tmp_path: Path) -> None:

    async with open_bootstrap(with_turn()) as bootstrap:
        assert bootstrap.turn_pid is not None
        os.kill(bootstrap.turn_pid, signal.SIGSTOP)
        try:
            udp, tcp = causes(await outside(*bootstrap.addresses))
        finally:
            os.kill(bootstrap.turn_pid, signal.SIGCONT)
    assert "TURN over UDP is blocked or dead" in udp
    assert "TURN over TCP is blocked or dead" in tcp


@needs_coturn
@pytest.mark.parametrize(
    ("trusted", "says"), [(False, "is not trusted"), (True, "is for another name")]
)
async def test_a_certificate_that_nodes_do_not_take(
    tmp_path: Path, trusted: bool, says: str
) -> None:
    files = certificate(tmp_path, "other.example" if trusted else "localhost")
    theirs = turn(tls_port=free_port(), domain="other.example" if trusted else "localhost", **files)
    async with open_coturn(theirs, "secret"):
        lent = elsewhere(tmp_path, theirs.port, "secret")
        lent = attrs.evolve(lent, urls=(f"turns:localhost:{theirs.tls_port}",))
        context = ssl.create_default_context(cafile=files["certificate"] if trusted else None)
        (what,) = causes(await inside(made(tmp_path, turn=lent), View(tls=context)))
    assert says in what
