"""Two nodes of one network find each other with nothing else there."""

from __future__ import annotations

import getpass
import multiprocessing
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from threading import enumerate as enumerate_threads

import pytest
import trio

from onmeet_node.net.errors import LanUnannounced, LanUnavailable
from onmeet_node.net.lan import (
    MAX_ADDRESSES,
    MAX_NODES,
    Lan,
    _info,
    can_be_dialled,
    describe,
    local_addresses,
    open_lan,
    read_description,
)
from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from onmeet_node.net.presence.rendezvous import Rendezvous
from onmeet_node.protocol.identity.audience import Audience
from onmeet_node.protocol.identity.person_keys import HeldKeys
from onmeet_node.protocol.identity.record import Presence
from tests.fakes.hosts import until
from tests.fakes.sealed import ALICE, BOB, LAPTOP, PHONE, name

CONTACTS = Audience("contacts", b"c" * 16, direct=True)


class TestWhatIsBelieved:
    @pytest.mark.parametrize(
        "address",
        [
            f"/ip4/192.168.1.7/tcp/4001/p2p/{PHONE}",
            f"/ip4/10.0.0.1/tcp/1/p2p/{PHONE}",
            f"/ip4/169.254.3.4/tcp/4001/p2p/{PHONE}",
            f"/ip6/fd00::2/tcp/4001/p2p/{PHONE}",
        ],
    )
    def test_addresses_of_this_network(self, address):
        assert local_addresses([address]) == (address,)

    @pytest.mark.parametrize(
        "address",
        [
            f"/ip4/8.8.8.8/tcp/4001/p2p/{PHONE}",
            f"/ip6/2001:4860:4860::8888/tcp/4001/p2p/{PHONE}",
            f"/ip4/0.0.0.0/tcp/4001/p2p/{PHONE}",
            f"/dns4/evil.example/tcp/4001/p2p/{PHONE}",
            f"/ip4/192.168.1.7/udp/4001/quic-v1/p2p/{PHONE}",
            f"/ip4/192.168.1.7/tcp/4001/p2p/{PHONE}/p2p-circuit/p2p/{LAPTOP}",
            "/ip4/192.168.1.7/tcp/4001",
            f"/ip4/999.1.1.1/tcp/4001/p2p/{PHONE}",
            f"/ip4/192.168.1.7/tcp/4001/p2p/{PHONE * 9}",
            "",
            "\x00\xff",
        ],
    )
    def test_no_others(self, address):
        assert local_addresses([address]) == ()

    def test_a_description_says_what_was_described(self):
        addresses = [f"/ip4/10.0.0.{n}/tcp/4001/p2p/{PHONE}" for n in range(20)]
        told = {key.encode(): value.encode() for key, value in describe(addresses).items()}
        assert read_description(told) == tuple(addresses[:MAX_ADDRESSES])

    def test_a_description_of_two_nodes_counts_for_one(self):
        properties = {
            b"dnsaddr": f"/ip4/10.0.0.1/tcp/4001/p2p/{PHONE}".encode(),
            b"dnsaddr2": f"/ip4/10.0.0.2/tcp/4001/p2p/{LAPTOP}".encode(),
        }
        assert read_description(properties) == (f"/ip4/10.0.0.1/tcp/4001/p2p/{PHONE}",)

    @pytest.mark.parametrize(
        "properties",
        [{}, {b"dnsaddr": None}, {b"dnsaddr": b"\xff\xfe"}, {b"name": b"Alice"}],
    )
    def test_a_description_of_nothing_says_nothing(self, properties):
        assert read_description(properties) == ()


class FakeHost:
    peer_id = PHONE
    addresses = (f"/ip4/10.0.0.1/tcp/4001/p2p/{PHONE}",)

    def connected(self, peer: str) -> bool:
        return True

    async def join(self, addresses):
        return (LAPTOP,)


class FakeInfo:
    def __init__(self, peer: str) -> None:
        self.properties = {b"dnsaddr": f"/ip4/10.0.0.2/tcp/4001/p2p/{peer}".encode()}


class FakeZeroconf:
    """Answers for any name with a node of that name; `None` for nobody."""

    def get_service_info(self, type_: str, service: str, timeout: int):
        return FakeInfo(service) if service else None


def test_what_is_announced_names_neither_the_person_nor_the_machine():
    info = _info("0123456789abcdef._onmeet._udp.local.", FakeHost.addresses)
    told = info.text + info.server.encode() + info.name.encode()
    assert PHONE.encode() in told
    for needle in (socket.gethostname(), getpass.getuser(), ALICE.public.hex()):
        assert needle.encode() not in told


async def test_a_flood_of_made_up_nodes_is_bounded():
    lan = Lan(FakeHost())
    for n in range(200):
        await lan._look_up(FakeZeroconf(), f"peer{n}")
    assert len(lan.nodes) == MAX_NODES
    await lan._look_up(FakeZeroconf(), "")
    await lan._look_up(FakeZeroconf(), PHONE)
    assert PHONE not in lan.nodes


@contextmanager
def multicast() -> Iterator[None]:
    """Skip where the machine has no interface for it."""
    routes = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True, check=False)
    if not any("scope global" in line for line in routes.stdout.splitlines()):
        pytest.skip("no interface but loopback: see the test with network namespaces")
    yield


@pytest.mark.real
async def test_two_nodes_on_one_machine_meet_and_resolve_each_other():
    config = HostConfig(listen=("/ip4/0.0.0.0/tcp/0",), server=True)
    with multicast(), trio.fail_after(30):
        async with (
            open_host(config) as alice,
            open_host(config) as bob,
            open_lan(alice) as one,
            open_lan(bob) as other,
        ):
            await until(lambda: bob.peer_id in one.nodes, 15)
            await until(lambda: alice.peer_id in other.nodes, 15)
            await until(lambda: alice.dht_peers() and bob.dht_peers(), 15)
            assert one.trouble is None
            bobs = Rendezvous(bob, HeldKeys(BOB))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(
                    bobs.run, lambda: [CONTACTS], lambda _: Presence(bob.peer_id, bob.addresses)
                )
                await bobs.published.wait()
                nursery.cancel_scope.cancel()
            found = await Rendezvous(alice, HeldKeys(ALICE)).resolve(name(BOB), CONTACTS.secret)
            assert [presence.peer_id for presence in found] == [bob.peer_id]


@pytest.mark.real
async def test_leaving_is_quick_at_any_moment():
    async with open_host(HostConfig(listen=("/ip4/127.0.0.1/tcp/0",))) as host:
        for wait in (0, 0.05, 0.3):
            with trio.fail_after(4):
                async with open_lan(host):
                    await trio.sleep(wait)
        listening = "zeroconf-ServiceBrowser"
        await until(lambda: not any(t.name.startswith(listening) for t in enumerate_threads()), 5)


LOOPBACK = f"/ip6/::1/tcp/1/p2p/{PHONE}"


@pytest.mark.parametrize(
    ("addresses", "interfaces", "found"),
    [
        ([LOOPBACK, f"/ip6/fd00::2/tcp/1/p2p/{PHONE}"], ["::1", "fd00::2"], True),
        ([LOOPBACK], ["127.0.0.1", "::1"], True),  # no network, and another node of this machine
        ([LOOPBACK], ["::1", "fe80::1"], False),
        ([], ["::1", "fe80::1", "2a00::7"], False),
    ],
)
def test_who_cannot_be_found_on_the_network_is_told(addresses, interfaces, found):
    assert can_be_dialled(addresses, lambda: interfaces) is found
    assert "address on its network" in str(LanUnannounced())


def test_the_error_names_the_remedy():
    assert "bootstrap" in str(LanUnavailable("no such device"))


# ── two machines, as far as a kernel can play two ────────────────────────────────────────────────
def _run(command: str) -> None:
    subprocess.run(command.split(), check=True, capture_output=True)


@contextmanager
def two_machines(address: str) -> Iterator[tuple[str, str]]:
    """Two network namespaces joined by one cable, with no other interface."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and iproute2 for network namespaces")
    names = tuple(f"om-lan-{os.getpid()}-{side}" for side in "ab")
    try:
        for space in names:
            _run(f"ip netns add {space}")
        _run(f"ip link add veth0 netns {names[0]} type veth peer name veth0 netns {names[1]}")
        for number, space in enumerate(names, start=1):
            _run(f"ip -n {space} addr add {address.format(number)} dev veth0")
            _run(f"ip -n {space} link set veth0 up")
            _run(f"ip -n {space} link set lo up")
        yield names
    except subprocess.CalledProcessError as error:
        pytest.skip(f"network namespaces cannot be made here: {error.stderr.decode().strip()}")
    finally:
        for space in names:
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)


def _machine(space: str, results: multiprocessing.Queue, done: multiprocessing.Event) -> None:
    descriptor = os.open(f"/var/run/netns/{space}", os.O_RDONLY)
    os.setns(descriptor, 0) if hasattr(os, "setns") else _setns(descriptor)

    async def main() -> None:
        config = HostConfig(listen=("/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0"), server=True)
        with trio.fail_after(25):
            async with open_host(config) as host, open_lan(host) as lan:
                await lan.met.wait()
                results.put((host.peer_id, lan.nodes, host.addresses))
                await trio.to_thread.run_sync(done.wait, 20)

    trio.run(main)


def _setns(descriptor: int) -> None:
    import ctypes

    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0):
        raise OSError(ctypes.get_errno(), "setns")


@pytest.mark.real
@pytest.mark.netlab
@pytest.mark.parametrize("address", ["10.77.0.{}/24", "fd77::{}/64 nodad"], ids=["ip4", "ip6"])
def test_two_machines_joined_by_one_cable_meet(address):
    with two_machines(address) as spaces:
        context = multiprocessing.get_context("spawn")
        results, done = context.Queue(), context.Event()
        machines = [
            context.Process(target=_machine, args=(space, results, done)) for space in spaces
        ]
        for machine in machines:
            machine.start()
        try:
            met = {peer: nodes for peer, nodes, _ in (results.get(timeout=40) for _ in spaces)}
        finally:
            done.set()
            for machine in machines:
                machine.join(10)
                machine.kill()
        one, other = met
        assert met == {one: (other,), other: (one,)}
