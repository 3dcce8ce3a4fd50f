"""The client side of circuit relay, against a real relay."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from onmeet_bootstrap.limits import Caps
from onmeet_bootstrap.relay import RelayLimits, open_relay

from onmeet_node.net.errors import BadMultiaddr, PeerUnreachable, RelayUnavailable
from onmeet_node.net.libp2p.health import relayed
from onmeet_node.net.libp2p.open_host import Host, HostConfig, open_host
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.net.relay import circuit
from onmeet_node.net.relay.circuit import STOP
from onmeet_node.net.relay.client import HANDSHAKE_LIMIT, RelayClient, through
from tests.fakes.relay_world import ECHO, LOCAL, echo, open_relay_world, said_back, until

pytestmark = pytest.mark.real


class Changes:
    """Waits for a client's addresses to change."""

    def __init__(self, client: RelayClient) -> None:
        self._client = client
        self._event = trio.Event()
        client.on_change(self._changed)

    def _changed(self) -> None:
        self._event.set()
        self._event = trio.Event()

    async def until_reserved(self) -> None:
        while not self._client.addresses:
            await self._event.wait()

    async def until_lost(self) -> None:
        while self._client.addresses:
            await self._event.wait()


async def test_the_keeper_outlives_the_lifetime_of_a_reservation():
    async with open_relay_world(RelayLimits(reservation_seconds=2)) as world:
        callee, caller = await world.person(), await world.person()
        changes = Changes(callee.client)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(callee.client.keep, [world.address])
            await changes.until_reserved()
            await trio.sleep(3.5)
            assert world.relay.holds(callee.peer)
            stream = await world.call(caller, callee)
            assert await said_back(stream, b"still reachable") == b"still reachable"
            nursery.cancel_scope.cancel()
        assert callee.client.addresses == ()


async def test_the_keeper_reserves_again_when_its_relay_comes_back():
    seed = bytes(31) + b"r"
    with trio.fail_after(40):
        async with open_host(HostConfig(listen=())) as node, trio.open_nursery() as nursery:
            client = RelayClient(node)
            changes = Changes(client)
            listen = LOCAL
            for start in range(2):
                async with (
                    open_host(HostConfig(listen=listen, server=True, seed=seed)) as relay_host,
                    open_relay(relay_host, RelayLimits(), prefix_of=lambda _: "net") as relay,
                ):
                    address = relay_host.addresses[0]
                    if not start:
                        nursery.start_soon(client.keep, [address])
                        listen = (address.partition("/p2p/")[0],)
                    await changes.until_reserved()
                    assert relay.holds(node.peer_id)
                await changes.until_lost()
            nursery.cancel_scope.cancel()


async def test_the_keeper_waits_while_a_relay_is_full_and_enters_when_there_is_room():
    limits = RelayLimits(reservations=Caps(total=1, per_prefix=1, per_peer=1))
    async with open_relay_world(limits) as world:
        first, second = await world.reserved(), await world.person()
        changes = Changes(second.client)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(second.client.keep, [world.address])
            await trio.sleep(0.6)
            assert second.client.addresses == ()
            await first.host.disconnect(world.host.peer_id)
            await changes.until_reserved()
            nursery.cancel_scope.cancel()


async def test_circuit_addresses_name_the_relay_and_then_us():
    async with open_relay_world() as world:
        person = await world.reserved()
        assert through(world.address, person.peer) in person.client.addresses
        for address in person.client.addresses:
            assert address.endswith(f"/p2p/{world.host.peer_id}/p2p-circuit/p2p/{person.peer}")
        assert person.client.relays == (world.host.peer_id,)


async def test_two_nodes_that_listen_nowhere_meet_over_either_of_two_relays():
    async with open_relay_world() as world, open_relay_world() as other:
        callee, caller = await world.person(), await world.person()
        await callee.client.reserve([world.address])
        await callee.client.reserve([other.address])
        assert len(callee.client.relays) == 2
        await callee.host.disconnect(world.host.peer_id)
        await caller.host.connect(
            [through(world.address, callee.peer), through(other.address, callee.peer)]
        )
        stream = await caller.host.open_stream(callee.peer, ECHO)
        assert await said_back(stream, b"by the second") == b"by the second"


async def test_a_direct_address_is_preferred_to_a_circuit():
    async with open_relay_world() as world:
        caller = await world.person()
        async with open_host(HostConfig(listen=LOCAL)) as callee:
            callee.handle(ECHO, echo)
            client = RelayClient(callee)
            await client.reserve([world.address])
            await caller.host.connect([*client.addresses, *callee.addresses])
            assert not caller.client.relayed(callee.peer_id)
            assert world.relay.circuits == 0


async def test_a_direct_connection_that_comes_later_replaces_the_circuit():
    async with open_relay_world() as world:
        caller = await world.person()
        async with open_host(HostConfig(listen=LOCAL)) as callee:
            callee.handle(ECHO, echo)
            client = RelayClient(callee)
            await client.reserve([world.address])
            better: list[str] = []
            caller.host.on_direct(better.append)
            await caller.host.connect(client.addresses)
            stream = await caller.host.open_stream(callee.peer_id, ECHO)
            assert caller.client.relayed(callee.peer_id)
            await caller.host.connect([*client.addresses, *callee.addresses])
            await until(lambda: better == [callee.peer_id], "no direct connection opened")
            # What runs over the circuit goes on, what is new takes the direct way.
            assert await said_back(stream, b"over the relay") == b"over the relay"
            fresh = await caller.host.open_stream(callee.peer_id, ECHO)
            assert not relayed(fresh._raw.swarm_conn)
            await stream.aclose()
            await until(lambda: world.relay.circuits == 0, "the circuit stayed")
            assert await said_back(fresh, b"directly") == b"directly"
            assert caller.host.connected(callee.peer_id)


@asynccontextmanager
async def swallower() -> AsyncIterator[Host]:
    """A relay that grants every circuit and lets every byte disappear."""

    async def swallow(stream: Stream) -> None:
        await circuit.receive_message(stream, circuit.HopMessage)
        await circuit.send_message(stream, circuit.hop_answer(circuit.Status.OK))
        async for _ in stream:
            pass

    async with open_host(HostConfig(listen=LOCAL)) as host:
        host.handle(circuit.HOP, swallow)
        yield host


async def test_a_relay_that_drops_every_byte_does_not_keep_the_next_one_from_being_tried():
    async with open_relay_world() as world, swallower() as bad:
        callee, caller = await world.reserved(), await world.person()
        with trio.fail_after(HANDSHAKE_LIMIT / 2):
            await caller.host.connect(
                [through(bad.addresses[0], callee.peer), through(world.address, callee.peer)]
            )


async def test_a_relay_that_drops_every_byte_is_given_up_and_said_to_be_silent():
    async with open_relay_world() as world, swallower() as bad:
        callee, caller = await world.person(), await world.person()
        with trio.fail_after(HANDSHAKE_LIMIT + 8), pytest.raises(PeerUnreachable) as caught:
            await caller.host.connect([through(bad.addresses[0], callee.peer)])
        assert "silent" in str(caught.value)


async def test_nobody_makes_a_circuit_to_itself():
    async with open_relay_world() as world:
        person = await world.reserved()
        with pytest.raises(PeerUnreachable, match="this host itself"):
            await person.host.connect([through(world.address, person.peer)])
        assert world.relay.circuits == 0


async def test_a_circuit_from_a_relay_that_we_never_asked_is_refused():
    """Else any peer could bring connections and take part in them as our relay."""
    async with open_relay_world() as world:
        callee, stranger = await world.person(), await world.person()
        await callee.host.connect([world.address])
        stream = await world.host.open_stream(callee.peer, STOP)
        request = circuit.StopMessage(
            type=circuit.StopMessage.CONNECT, peer=circuit.peer_field(stranger.peer)
        )
        await circuit.send_message(stream, request)
        answer = await circuit.receive_message(stream, circuit.StopMessage)
        assert circuit.status_of(answer) == circuit.Status.PERMISSION_DENIED


async def test_a_relay_that_names_a_false_caller_is_found_out():
    """The far end proves a PeerId by itself; the connection counts under no other."""
    async with open_relay_world() as world:
        callee, liar = await world.reserved(), await world.person()

        claimed = (await world.person()).peer
        far = await world.host.open_stream(callee.peer, STOP)
        request = circuit.StopMessage(
            type=circuit.StopMessage.CONNECT, peer=circuit.peer_field(claimed)
        )
        await circuit.send_message(far, request)
        answer = await circuit.receive_message(far, circuit.StopMessage)
        assert circuit.status_of(answer) == circuit.Status.OK

        async def pump(source, sink) -> None:
            async for data in source:
                await sink.send_all(data)

        async def serve(near) -> None:
            await circuit.receive_message(near, circuit.HopMessage)
            await circuit.send_message(near, circuit.hop_answer(circuit.Status.OK))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pump, near, far)
                nursery.start_soon(pump, far, near)

        world.host.stop_handling(circuit.HOP)
        world.host.handle(circuit.HOP, serve)
        await liar.host.connect([through(world.address, callee.peer)])
        await liar.host.wait_disconnected(callee.peer)
        assert not callee.host.connected(claimed)
        assert not callee.host.connected(liar.peer)


async def test_a_relay_that_says_nothing_or_nonsense_is_given_up():
    async with open_relay_world() as world:
        person = await world.person()

        async def nonsense(stream) -> None:
            await stream.send_all(b"\xff\xff\xff\xff nonsense")

        async def gone(stream) -> None:
            stream.abort()

        async with open_host(HostConfig(listen=LOCAL)) as relay:
            relay.handle(circuit.HOP, nonsense)
            with pytest.raises(Exception, match="broke the protocol"):
                await person.client.reserve(relay.addresses)
            relay.stop_handling(circuit.HOP)
            relay.handle(circuit.HOP, gone)
            with pytest.raises(RelayUnavailable, match="Another bootstrap"):
                await person.client.reserve(relay.addresses)
            with pytest.raises(PeerUnreachable):
                await person.host.connect([through(relay.addresses[0], world.host.peer_id)])


@pytest.mark.parametrize("address", ["/p2p-circuit", "/ip4/127.0.0.1/tcp/1/p2p-circuit/p2p/x"])
async def test_a_damaged_circuit_address_is_named(address: str):
    with trio.fail_after(20):
        async with open_host(HostConfig(listen=())) as host:
            RelayClient(host)
            with pytest.raises((BadMultiaddr, PeerUnreachable)):
                await host.connect([address])


async def test_giving_up_a_call_through_a_relay_leaves_the_relay_connected():
    async with open_relay_world() as world:
        callee, caller = await world.reserved(), await world.person()
        await caller.host.connect([world.address])
        for wait in range(10):
            with trio.move_on_after(0.003 * wait):
                await caller.host.connect([through(world.address, callee.peer)])
            await caller.host.disconnect(callee.peer)
        assert caller.host.connected(world.host.peer_id)
        assert await said_back(await world.call(caller, callee), b"hi") == b"hi"
