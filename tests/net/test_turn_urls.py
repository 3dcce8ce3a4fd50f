"""Which TURN servers of a bootstrap a node uses, and what its doctor says of the others."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from pathlib import Path

import attrs
import pytest
import trio
from onmeet_bootstrap.app import open_bootstrap
from onmeet_bootstrap.config.model import TurnConfig, ephemeral_config

from onmeet_node.net.bootstraps.turn_urls import Address, Reach, Usable, reach_of, usable
from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from tests.net.test_examination import examined

PUBLIC, PUBLIC_6 = ipaddress.ip_address("8.8.4.4"), ipaddress.ip_address("2001:4860:4860::8844")
LAN, MACHINE = ipaddress.ip_address("192.168.1.5"), ipaddress.ip_address("127.0.0.1")
NAMES = {
    "turn.example.org": ("8.8.4.4", "2001:4860:4860::8844"),
    "elsewhere.example.org": ("1.1.1.1",),
    "inside.example.org": ("8.8.4.4", "10.0.0.1"),
    "127.1": ("127.0.0.1",),
    "localhost": ("127.0.0.1", "::1"),
}


async def resolve(name: str) -> Collection[Address]:
    if name not in NAMES:
        raise OSError("unknown")
    return [ipaddress.ip_address(ip) for ip in NAMES[name]]


def judged(*urls: str, own: Address = PUBLIC, region: str = "") -> Usable:
    async def ask() -> Usable:
        return await usable(urls, {own}, region=region, resolve=resolve)

    return trio.run(ask)


NEAR = [
    "turn:127.0.0.1:3478?transport=udp",
    "turn:10.0.0.1",
    "turn:192.168.1.1:3478",
    "turn:100.64.0.1",
    "turn:169.254.169.254:80",
    "turn:0.0.0.0",
    "turn:224.0.0.1",
    "turn:255.255.255.255",
    "turn:[::1]:3478?transport=udp",
    "turn:[::]",
    "turn:[fe80::1]",
    "turn:[fd00::1]",
    "turn:[fec0::1]",
    "turn:[ff02::1]",
    "turn:[::ffff:127.0.0.1]",
    "turn:[::ffff:192.168.1.1]",
    "turn:[::127.0.0.1]",
    "turn:[2002:7f00:1::1]",
    "turn:[64:ff9b::a00:1]",
    "turns:localhost:443?transport=tcp",
    "turns:inside.example.org:443?transport=tcp",
    "turn:127.1",
]


@pytest.mark.parametrize("url", NEAR)
def test_a_public_bootstrap_cannot_have_us_ask_inside_our_network(url: str) -> None:
    good = "turn:8.8.4.4:3478?transport=udp"
    found = judged(url, good)
    assert found.urls == (good,)
    assert "inside this machine or network" in found.refused


def test_a_bootstrap_of_the_lan_or_this_machine_lends_what_is_as_far_as_itself() -> None:
    lan, machine = "turn:192.168.1.5:3478", "turn:127.0.0.1:3478"
    assert judged(lan, machine, own=LAN).urls == (lan,)
    assert judged(lan, machine, own=MACHINE).urls == (lan, machine)
    assert judged("turn:0.0.0.0", "turn:224.0.0.1", own=MACHINE).urls == ()


ODD = (
    "turn:[::1", "turn:%00@x", "turns:evil:99999?transport=tcp", "turn:a:0", "turn:?", "turn://x",
    "turn:127.0.0.1:1?transport=xxx", "turn:a b", "turn:[fe80::1%25eth0]", "turn:[12345::]",
    "turn:user@8.8.4.4", "turn:8.8.4.4:3478?transport=udp&x=1", "turn:8.8.4.4:-1", "turn::3478",
    "turn:8.8.4.4:3478?transport=dccp", "turn:8.8.4.4\n", "TURN:8.8.4.4",
)  # fmt: skip


@pytest.mark.parametrize("url", ODD)
def test_an_odd_url_is_malformed_or_not_found(url: str) -> None:
    found = judged(url)
    assert found.urls == ()
    assert "malformed" in found.refused or "not found in the DNS" in found.refused


def test_what_is_refused_is_told_once_and_without_its_name() -> None:
    found = judged(*ODD, *NEAR)
    assert found == Usable((), "the address of a TURN server of its is malformed")


def test_a_pinned_region_allows_servers_at_the_bootstrap_alone() -> None:
    own = ("turn:8.8.4.4:3478?transport=udp", "turns:turn.example.org:5349?transport=tcp")
    other = ("turn:1.1.1.1:3478?transport=udp", "turns:elsewhere.example.org:443?transport=tcp")
    assert judged(*own, *other).urls == (*own, *other)
    pinned = judged(*own, *other, region="Canada")
    assert pinned.urls == own
    assert "you allow Canada only" in pinned.refused
    assert judged(other[0], own=PUBLIC_6, region="Canada").urls == ()


@pytest.mark.parametrize(
    ("address", "reach"),
    [
        ("1.1.1.1", Reach.WORLD),
        ("2606:4700::1", Reach.WORLD),
        ("::ffff:1.1.1.1", Reach.WORLD),
        ("2001:0:7f00:1::1", Reach.NOWHERE),
        ("203.0.113.1", Reach.NETWORK),
        ("240.0.0.1", Reach.NOWHERE),
        ("5f00::1", Reach.NETWORK),
    ],
)
def test_how_far_an_address_is(address: str, reach: Reach) -> None:
    assert reach_of(ipaddress.ip_address(address)) is reach


# ── a real bootstrap ─────────────────────────────────────────────────────────────────────────────
def lending(tmp_path: Path, *urls: str, region: str = ""):
    file = tmp_path / "secret"
    file.write_text("shared\n")
    file.chmod(0o600)
    foreign = TurnConfig(urls=urls, secret_file=str(file))
    return open_bootstrap(attrs.evolve(ephemeral_config(), turn=foreign, region=region))


@pytest.mark.real
async def test_the_doctor_says_why_no_server_is_used(tmp_path: Path) -> None:
    async with (
        lending(tmp_path, "turn:a:0", "turn:[::1") as bootstrap,
        examined(bootstrap.addresses) as node,
    ):
        await node.turn.ready()
        assert node.turn.current() == ()
        node.says("poor", "No TURN server is lent", "malformed")


@pytest.mark.real
async def test_the_doctor_says_that_a_server_is_outside_the_pinned_region(tmp_path: Path) -> None:
    here, there = "turn:127.0.0.1:3478?transport=udp", "turn:192.0.2.1:3478?transport=udp"
    async with lending(tmp_path, there, here, region="ca") as bootstrap:
        async with examined(bootstrap.addresses, region="ca") as node:
            await node.turn.ready()
            assert [server.url for server in node.turn.current()] == [here]
            assert [server.url for server in await node.turn.borrow()] == [here]
            node.says("good", "TURN is lent")
            node.says("poor", "not every TURN server is used", "you allow Canada only")
        async with examined(bootstrap.addresses) as node:
            await node.turn.ready()
            assert [server.url for server in node.turn.current()] == [there, here]


@pytest.mark.real
async def test_where_a_connection_leads_is_known(tmp_path: Path) -> None:
    async with lending(tmp_path, "turn:127.0.0.1") as bootstrap, open_host(HostConfig(())) as node:
        await node.connect(bootstrap.addresses)
        assert node.remote_ips(bootstrap.peer_id) == {"127.0.0.1"}
        assert node.remote_ips(node.peer_id) == frozenset()
