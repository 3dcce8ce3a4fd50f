"""Traps of reaching a peer: each remedy, and what happens without it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from libp2p.network.exceptions import SwarmException
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo
from multiaddr import Multiaddr

from onmeet_node.net.errors import NetError, PeerUnreachable
from onmeet_node.net.libp2p.open_host import Host, open_host
from onmeet_node.net.libp2p.patches import Remedies
from tests.fakes.hosts import ALL, config, until, without

pytestmark = pytest.mark.real

CLOSED_PORT = "/ip4/127.0.0.1/tcp/1"


def info(host: Host, *addresses: str) -> PeerInfo:
    ways = [Multiaddr(a).decapsulate_code(421) for a in addresses or host.addresses]
    return PeerInfo(ID.from_string(host.peer_id), ways)


@asynccontextmanager
async def mute_server() -> AsyncIterator[str]:
    """Accepts TCP connections and never says a word; yields its address without a peer."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, _say_nothing, 0, host="127.0.0.1"))
        yield f"/ip4/127.0.0.1/tcp/{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def _say_nothing(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def time_to_dial(remedies: Remedies) -> float:
    async with (
        open_host(config(remedies=remedies)) as one,
        open_host(config(remedies=remedies)) as two,
    ):
        began = trio.current_time()
        await one.raw.connect(info(two))
        return trio.current_time() - began


async def test_the_dials_of_a_lookup_do_not_wait_after_success():
    assert await time_to_dial(ALL) < 0.2


async def test_without_own_dialer_each_costs_a_quarter_second():
    assert await time_to_dial(without("own_dialer")) >= 0.25


async def dial_after_a_failure(remedies: Remedies) -> None:
    async with (
        open_host(config(remedies=remedies)) as one,
        open_host(config(remedies=remedies)) as two,
    ):
        two_id = ID.from_string(two.peer_id)
        with pytest.raises(SwarmException):
            await one.raw.connect(info(two, f"{CLOSED_PORT}/p2p/{two.peer_id}"))
        one.raw.get_peerstore().clear_addrs(two_id)
        await one.connect(two.addresses)
        await one.disconnect(two.peer_id)
        await one.raw.connect(info(two))


async def test_a_peer_that_failed_once_can_be_dialed_again_at_once():
    with trio.fail_after(5):
        await dial_after_a_failure(ALL)


async def test_without_forget_failed_dials_it_is_banned():
    with pytest.raises(SwarmException, match="a moment ago"):
        await dial_after_a_failure(without("forget_failed_dials"))


async def connections_after_hearing_of_a_peer(remedies: Remedies) -> int:
    """Connections of a host that lost its one peer and has heard of another."""
    async with (
        open_host(config(remedies=remedies)) as host,
        open_host(config(remedies=remedies)) as known,
        open_host(config(remedies=remedies)) as heard_of,
    ):
        await host.connect(known.addresses)
        other = info(heard_of)
        host.raw.get_peerstore().add_addrs(other.peer_id, other.addrs, 100)
        await host.disconnect(known.peer_id)
        with trio.move_on_after(1):
            await until(host.peers)
        return len(host.peers())


async def test_a_host_dials_only_whom_it_is_told_to():
    assert await connections_after_hearing_of_a_peer(ALL) == 0


async def test_without_no_auto_connect_it_dials_whom_it_hears_of():
    assert await connections_after_hearing_of_a_peer(without("no_auto_connect")) == 1


async def lookup_dial_with_two_addresses(remedies: Remedies) -> None:
    async with (
        open_host(config(remedies=remedies)) as one,
        open_host(config(remedies=remedies)) as two,
    ):
        await one.raw.connect(info(two, f"{CLOSED_PORT}/p2p/{two.peer_id}", *two.addresses))


async def test_lookups_try_every_address_of_a_peer():
    with trio.fail_after(5):
        await lookup_dial_with_two_addresses(ALL)


async def test_without_own_dialer_they_try_the_first_alone():
    with pytest.raises(SwarmException):
        await lookup_dial_with_two_addresses(without("own_dialer"))


async def test_dead_and_mute_addresses_do_not_hold_up_a_good_one():
    async with mute_server() as mute, open_host(config()) as one, open_host(config()) as two:
        bad = [f"{mute}/p2p/{two.peer_id}", f"{CLOSED_PORT}/p2p/{two.peer_id}"]
        with trio.fail_after(1):
            await one.connect([*bad, *two.addresses])


async def test_an_address_where_someone_else_answers_does_not_count():
    async with (
        open_host(config()) as one,
        open_host(config()) as two,
        open_host(config()) as impostor,
    ):
        false = impostor.addresses[0].replace(impostor.peer_id, two.peer_id)
        with trio.fail_after(5), pytest.raises(PeerUnreachable):
            await one.connect([false])
        assert not one.connected(two.peer_id)
        await one.connect([false, *two.addresses])
        assert one.connected(two.peer_id)


async def test_the_error_says_for_each_address_what_happened():
    async with open_host(config()) as one, open_host(config()) as two:
        with pytest.raises(PeerUnreachable) as caught:
            await one.connect(
                [f"{CLOSED_PORT}/p2p/{two.peer_id}", f"/ip4/127.0.0.1/tcp/2/p2p/{two.peer_id}"]
            )
        assert len(caught.value.reasons) == 2
        assert "127.0.0.1/tcp/2" in str(caught.value)


async def test_relayed_addresses_wait_for_direct_ones_to_fail():
    async with (
        open_host(config()) as one,
        open_host(config()) as two,
        open_host(config()) as relay,
    ):
        asked: list[str] = []

        async def dial(address: str) -> None:
            asked.append(address)
            raise NetError("no such circuit")

        one.circuit_dialer = dial
        relayed = f"{relay.addresses[0]}/p2p-circuit/p2p/{two.peer_id}"
        await one.connect([relayed, *two.addresses])
        assert asked == []
        await one.disconnect(two.peer_id)
        with trio.fail_after(2), pytest.raises(PeerUnreachable, match="no such circuit"):
            await one.connect([relayed, f"{CLOSED_PORT}/p2p/{two.peer_id}"])
        assert asked == [relayed]


async def test_a_cancelled_connect_leaves_nothing_half_open():
    async with open_host(config()) as one, open_host(config()) as two:
        for wait in range(30):
            with trio.move_on_after(wait * 0.0005):
                await one.connect(two.addresses)
        await until(lambda: one.stats().calls == 0)
        await one.connect(two.addresses)
        assert one.stats().connections == 1
        await until(lambda: two.stats().connections == 1)
