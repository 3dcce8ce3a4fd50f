"""Relay-only as a setting of a real node: what it says of itself, and turned on and off."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
import trio
from onmeet_bootstrap.config.model import BootstrapConfig, TurnConfig, ephemeral_config

from onmeet_node.net.libp2p.multiaddrs import circuit
from onmeet_node.node.node import Node
from onmeet_node.protocol.wire.messages import Kind
from tests.bootstrap.ports import free_port
from tests.node.conftest import Start, befriend
from tests.node.test_rooms import invited, presence, until, whole
from tests.requirements import needs_coturn

pytestmark = [pytest.mark.real, needs_coturn]

SECONDS = 60.0
SOUND = frozenset({Kind.AUDIO})


@pytest.fixture
def bootstrap_config() -> BootstrapConfig:
    turn = TurnConfig(
        serve=True,
        public=("127.0.0.1",),
        port=free_port(),
        relay_port_min=40_700,
        relay_port_max=40_800,
        allow_private_peers=True,
    )
    return attrs.evolve(ephemeral_config(), turn=turn)


async def wait(holds: Callable[[], object]) -> None:
    """Until it holds; what is waited for has no event."""
    with trio.fail_after(SECONDS):
        while not holds():  # noqa: ASYNC110
            await trio.sleep(0.05)


async def settled(node: Node) -> None:
    """Until a relay holds a place for it and its records say so."""
    await wait(lambda: node._network.relays.addresses)
    with trio.fail_after(SECONDS):
        await node.published()


def direct(node: Node) -> set[str]:
    """PeerIds that it has a connection with that is no circuit."""
    host = node._network.host
    return {peer for peer in host.peers() if not host._dialer.only_relayed(peer)}


async def test_no_record_and_no_roster_names_an_address_of_who_hides(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob", relay_only=True)
    await settled(bob)
    await befriend(alice, bob)
    with trio.fail_after(SECONDS):
        async with await alice.rooms.create("", presence("Alice", SOUND)) as hers:
            assert await alice.rooms.invite(hers, bob.identity)
            await invited(bob)
            async with await bob.rooms.join("", presence("Bob", SOUND)) as his:
                for conference in (hers, his):
                    await until(conference, whole({"Alice", "Bob"}))
                assert hers.room.roster is not None
                (seat,) = (s for s in hers.room.roster.seats if s.key == his.me)
                assert seat.addresses
                assert all(map(circuit, seat.addresses))
                for secret in alice.people._locator.secrets_of(bob.identity):
                    for found in await alice._network.rendezvous.resolve(bob.identity, secret):
                        assert not found.addresses
                bootstraps = set(bob._network.bootstraps.connected)
                assert direct(bob) == bootstraps
                assert direct(alice) == bootstraps


async def test_turned_on_and_off_it_holds_at_once(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    host = bob._network.host
    before = host.listening
    assert alice._network.peer_id in direct(bob)
    bob.change_settings(relay_only=True)
    bootstraps = set(bob._network.bootstraps.connected)
    await wait(lambda: not host.listening and direct(bob) <= bootstraps)
    await settled(bob)
    assert not bob._network.addresses
    assert all(map(circuit, bob._network.ways_here()))
    with trio.fail_after(SECONDS):
        for pause in range(100):
            if await alice.deliver(bob.identity):
                break
            await trio.sleep(pause / 10)
    assert bob._network.peer_id not in direct(alice)
    assert not host.server
    bob.change_settings(relay_only=False)
    await wait(lambda: host.listening == before)
    await wait(lambda: host.server)  # it is found to be reachable again
