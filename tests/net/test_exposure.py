"""The one rule of what a node dials, takes in and tells: by itself, and in a real host."""

from __future__ import annotations

import ipaddress

import pytest
import trio
import trio.testing

from onmeet_node.net import exposure as rule
from onmeet_node.net.errors import DialForbidden, PeerUnreachable
from onmeet_node.net.exposure import Exposure
from onmeet_node.net.libp2p.open_host import Host, open_host
from onmeet_node.net.relay.client import RelayClient, through
from tests.fakes.hosts import LOCAL, Author, config, until
from tests.fakes.relay_world import open_relay_world, said_back

PEER = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"
BOOT = "12D3KooWHCJbJKGDfCgHSoCuK9q4STyRnVveqLoXAPBbXHTZx9Cv"
ENTRANCE = f"/ip4/192.0.2.1/tcp/4001/p2p/{BOOT}"
HERE = (ipaddress.ip_network("192.168.7.0/24"), ipaddress.ip_network("127.0.0.0/8"))
SECONDS = 60


def made(**options: object) -> Exposure:
    return Exposure(networks=lambda: HERE, **options)  # type: ignore[arg-type]


async def refused(exposure: Exposure, address: str, peer: str = PEER) -> str:
    """Why it is not dialled; empty if it is."""
    try:
        await exposure.dialable(peer, address)
    except DialForbidden as error:
        return error.reason
    return ""


@pytest.mark.parametrize(
    "place",
    [
        "ip4/127.0.0.1",
        "ip4/10.1.2.3",
        "ip4/172.20.0.1",
        "ip4/192.168.8.1",
        "ip4/100.64.0.1",
        "ip4/169.254.169.254",
        "ip4/0.0.0.0",
        "ip4/224.0.0.1",
        "ip4/255.255.255.255",
        "ip6/::1",
        "ip6/::",
        "ip6/::ffff:127.0.0.1",
        "ip6/::ffff:10.0.0.1",
        "ip6/::127.0.0.1",
        "ip6/64:ff9b::7f00:1",
        "ip6/2002:7f00:1::",
        "ip6/fe80::1",
        "ip6/fd00::1",
        "ip6/fec0::1",
        "dns4/localhost",
        "dns/localhost",
        "dnsaddr/example.org",
        "unix/run",
    ],
)
async def test_what_a_peer_names_that_is_nobodys_on_the_internet_is_not_dialled(place: str) -> None:
    assert await refused(made(), f"/{place}/tcp/4001/p2p/{PEER}")


@pytest.mark.parametrize("place", ["ip4/198.51.100.7", "ip6/2001:db8::7", "ip4/192.168.7.9"])
async def test_the_internet_and_our_own_network_are_dialled(place: str) -> None:
    address = f"/{place}/tcp/4001/p2p/{PEER}"
    assert await made().dialable(PEER, address) == address


async def test_a_bootstrap_in_a_private_network_makes_that_network_ours() -> None:
    named = made(entrances=lambda: [f"/ip4/10.0.0.1/tcp/4001/p2p/{BOOT}"])
    assert not await refused(named, f"/ip4/10.9.9.9/tcp/1/p2p/{PEER}")
    assert await refused(named, f"/ip4/172.16.0.1/tcp/1/p2p/{PEER}")


async def test_the_loopback_is_ours_where_we_listen_there_or_nothing_else_is() -> None:
    address = f"/ip4/127.0.0.1/tcp/4001/p2p/{PEER}"
    assert not await refused(made(listen=LOCAL), address)
    assert await refused(made(listen=("/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0")), address)
    alone = Exposure(networks=lambda: HERE[1:])
    assert not await refused(alone, address)
    assert await refused(Exposure(networks=tuple), address)


async def test_a_name_is_dialled_at_the_address_that_was_looked_at() -> None:
    here = made(listen=LOCAL)
    found = await here.dialable(PEER, f"/dns4/localhost/tcp/4001/ws/p2p/{PEER}")
    assert found == f"/ip4/127.0.0.1/tcp/4001/ws/p2p/{PEER}"


async def test_hidden_only_the_very_addresses_that_the_user_named_are_dialled() -> None:
    hidden = made(hidden=lambda: True, entrances=lambda: [ENTRANCE])
    assert await hidden.dialable(BOOT, ENTRANCE) == ENTRANCE
    assert await hidden.dialable(BOOT, "/ip4/192.0.2.1/tcp/4001") == "/ip4/192.0.2.1/tcp/4001"
    for other in (
        f"/ip4/192.0.2.9/tcp/4001/p2p/{BOOT}",  # a contact's machine, said to be the bootstrap
        f"/ip4/192.0.2.1/tcp/4001/p2p/{PEER}",
        f"/ip4/198.51.100.1/tcp/4001/p2p/{PEER}",
        f"/dns4/tracks.me.example/tcp/4001/p2p/{PEER}",
    ):
        assert "relay-only" in await refused(hidden, other)
    assert not hidden.shown([ENTRANCE])
    assert hidden.sees_us(BOOT)
    assert not hidden.sees_us(PEER)


async def test_a_scan_of_somebodys_ports_by_means_of_us_ends_soon() -> None:
    ours = made()
    tried = [await refused(ours, f"/ip4/198.51.100.1/tcp/{n}/p2p/{PEER}") for n in range(1, 41)]
    assert tried.count("") == rule.MAX_PER_PEER
    others = [
        await refused(ours, f"/ip4/198.51.100.1/tcp/{n}/p2p/{PEER}{n}", f"{PEER}{n}")
        for n in range(100, 200)
    ]
    assert others.count("") == rule.MAX_PER_HOST - rule.MAX_PER_PEER


async def test_addresses_that_answer_do_not_count_and_others_not_for_long(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours = made()
    for n in range(1, 100):
        address = f"/ip4/198.51.100.1/tcp/{n}/p2p/{PEER}"
        ours.reached(PEER, await ours.dialable(PEER, address))
    for n in range(rule.MAX_PER_PEER):
        await ours.dialable(PEER, f"/ip4/203.0.113.1/tcp/{n + 1}/p2p/{PEER}")
    assert await refused(ours, f"/ip4/203.0.113.1/tcp/99/p2p/{PEER}")
    await trio.sleep(rule.WINDOW_SECONDS + 1)
    assert not await refused(ours, f"/ip4/203.0.113.1/tcp/99/p2p/{PEER}")


class Switch:
    """Relay-only, to be turned."""

    def __init__(self, *entrances: str, on: bool = False) -> None:
        self.on = on
        self.exposure = Exposure(hidden=lambda: self.on, entrances=lambda: entrances, listen=LOCAL)

    async def turn(self, host: Host, *, on: bool) -> None:
        self.on = on
        self.exposure.refresh()
        await host.follow_exposure()


@pytest.mark.real
async def test_a_host_that_hides_from_the_start_listens_nowhere_and_dials_its_bootstrap_alone() -> (
    None
):
    with trio.fail_after(SECONDS):
        async with open_host(config(server=True)) as boot, open_host(config()) as other:
            switch = Switch(*boot.addresses, on=True)
            async with open_host(config(exposure=switch.exposure)) as hidden:
                assert hidden.listening == hidden.addresses == ()
                await hidden.connect(boot.addresses)
                with pytest.raises(PeerUnreachable, match="relay-only"):
                    await hidden.connect(other.addresses)
                assert hidden.peers() == (boot.peer_id,)
                await switch.turn(hidden, on=False)
                await other.connect(hidden.addresses)
                await hidden.connect(other.addresses)


@pytest.mark.real
async def test_turned_on_it_closes_what_the_rule_forbids_and_keeps_the_rest() -> None:
    with trio.fail_after(SECONDS):
        async with (
            open_host(config(server=True)) as boot,
            open_host(config()) as came,
            open_host(config()) as visited,
        ):
            switch = Switch(*boot.addresses)
            async with open_host(config(exposure=switch.exposure)) as host:
                where = host.addresses
                await host.connect(boot.addresses)
                await host.connect(visited.addresses)
                await came.connect(where)
                await until(lambda: len(host.peers()) == 3)
                await switch.turn(host, on=True)
                assert host.peers() == (boot.peer_id,)
                await until(lambda: not came.peers() and not visited.peers())
                with pytest.raises(PeerUnreachable):
                    await came.connect(where)
                await switch.turn(host, on=False)
                assert host.addresses == where, "the port is kept"
                await came.connect(where)


@pytest.mark.real
async def test_lookups_of_one_that_hides_go_to_its_bootstraps_and_find_all_the_same() -> None:
    author = Author()
    with trio.fail_after(SECONDS):
        async with open_host(config(server=True)) as boot, open_host(config(server=True)) as server:
            await server.join(boot.addresses)
            switch = Switch(*boot.addresses, on=True)
            async with (
                open_host(config(exposure=switch.exposure)) as hidden,
                open_host(config()) as reader,
            ):
                await hidden.join(boot.addresses)
                await reader.join(boot.addresses)
                value = author.write(b"here")
                assert await hidden.put(author.key, value) == 1
                assert await reader.get(author.key) == value
                other = Author()
                assert await reader.put(other.key, other.write(b"there"))
                assert await hidden.get(other.key) is not None
                assert hidden.peers() == (boot.peer_id,)
                assert hidden.peer_id not in server.peers()


@pytest.mark.real
async def test_hidden_it_goes_through_its_own_relay_and_through_none_that_somebody_names() -> None:
    async with open_relay_world() as own, open_relay_world() as theirs:
        switch = Switch(own.address, on=True)
        async with open_host(config(exposure=switch.exposure)) as hidden:
            RelayClient(hidden)
            here, there = await own.reserved(), await theirs.reserved()
            with pytest.raises(PeerUnreachable, match="relay-only"):
                await hidden.connect([through(theirs.address, there.peer)])
            await hidden.connect([through(own.address, here.peer)])
            stream = await hidden.open_stream(here.peer, "/test/echo/1")
            assert await said_back(stream, b"hello") == b"hello"
            stream.abort()
            assert set(hidden.peers()) == {own.host.peer_id, here.peer}
            assert theirs.host.peers() == (there.peer,)
