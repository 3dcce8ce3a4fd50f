"""The hop against real hosts, honest and hostile."""

import time

import pytest
import trio
from onmeet_bootstrap.limits import Caps
from onmeet_bootstrap.relay import RelayLimits

from onmeet_node.net.errors import PeerUnreachable, ReservationRefused
from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from onmeet_node.net.relay import circuit
from onmeet_node.net.relay.circuit import HOP, HopMessage, Status
from tests.fakes.relay_world import RelayWorld, open_relay_world, said_back, until

pytestmark = pytest.mark.real


async def ask(world: RelayWorld, person, request: HopMessage) -> int:
    await person.host.connect([world.address])
    stream = await person.host.open_stream(world.host.peer_id, HOP)
    await circuit.send_message(stream, request)
    answer = await circuit.receive_message(stream, HopMessage)
    await stream.aclose()
    return circuit.status_of(answer)


async def test_a_node_that_listens_nowhere_is_called_and_answers(world: RelayWorld):
    callee, caller = await world.reserved(), await world.person()
    stream = await world.call(caller, callee)
    assert await said_back(stream, b"hello") == b"hello"
    # The callee opens its own stream over the same circuit.
    back = await callee.host.open_stream(caller.peer, "/test/echo/1")
    assert await said_back(back, b"and back") == b"and back"
    assert caller.client.relayed(callee.peer)
    assert callee.client.relayed(caller.peer)


async def test_a_round_trip_through_the_relay_is_a_few_milliseconds(world: RelayWorld):
    stream = await world.call(await world.person(), await world.reserved())
    times = []
    for _ in range(50):
        start = time.perf_counter()
        await said_back(stream, b"x" * 200)
        times.append(time.perf_counter() - start)
    assert sorted(times)[25] < 0.05


async def test_one_caller_hanging_up_leaves_the_other_callers_circuit(world: RelayWorld):
    callee = await world.reserved()
    leaving, staying = await world.person(), await world.person()
    await world.call(leaving, callee)
    stream = await world.call(staying, callee)
    assert world.relay.circuits == 2
    await leaving.host.disconnect(callee.peer)
    await until(lambda: world.relay.circuits == 1, "the first circuit ends")
    assert await said_back(stream, b"still here") == b"still here"
    assert not callee.host.connected(leaving.peer)


async def test_a_caller_that_vanishes_frees_its_circuit(world: RelayWorld):
    callee = await world.reserved()
    async with open_host(HostConfig(listen=())) as host:
        from onmeet_node.net.relay.client import RelayClient, through

        RelayClient(host)
        await host.connect([through(world.address, callee.peer)])
        assert world.relay.circuits == 1
    await until(lambda: world.relay.circuits == 0, "the circuit ends with its caller")
    await until(lambda: not callee.host.connected(host.peer_id), "the callee is told")


async def test_forged_reservations_take_no_place():
    limits = RelayLimits(reservations=Caps(total=20, per_prefix=20, per_peer=1))
    async with open_relay_world(limits) as world:
        forger = await world.person()
        for _ in range(40):
            async with open_host(HostConfig(listen=())) as invented:
                forged = invented.peer_id
            request = HopMessage(type=HopMessage.RESERVE, peer=circuit.peer_field(forged))
            assert await ask(world, forger, request) == Status.PERMISSION_DENIED
        assert world.relay.reservations == 0
        await world.reserved()
        assert world.relay.reservations == 1


async def test_a_reservation_in_the_form_other_libraries_send_is_accepted(world: RelayWorld):
    person = await world.person()
    named = HopMessage(type=HopMessage.RESERVE, peer=circuit.peer_field(person.peer))
    assert await ask(world, person, named) == Status.OK


async def test_a_full_relay_refuses_and_has_room_again_when_a_node_leaves():
    limits = RelayLimits(reservations=Caps(total=2, per_prefix=2, per_peer=1))
    async with open_relay_world(limits) as world:
        first = await world.reserved()
        await world.reserved()
        with pytest.raises(ReservationRefused, match="another bootstrap"):
            await world.reserved()
        await first.client.reserve([world.address])  # renewing needs no second place
        await first.host.disconnect(world.host.peer_id)
        await until(lambda: world.relay.reservations == 1, "its place is free again")
        await world.reserved()


async def test_a_lapsed_reservation_is_forgotten_and_calls_are_refused():
    async with open_relay_world(RelayLimits(reservation_seconds=1)) as world:
        callee, caller = await world.reserved(), await world.person()
        await until(lambda: world.relay.reservations == 0, "it lapses by itself")
        with pytest.raises(PeerUnreachable, match="not, or no longer, known"):
            await world.call(caller, callee)


async def test_nobody_gets_a_circuit_to_themselves(world: RelayWorld):
    person = await world.reserved()
    request = HopMessage(type=HopMessage.CONNECT, peer=circuit.peer_field(person.peer))
    assert await ask(world, person, request) == Status.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("request_message", "status"),
    [
        (HopMessage(type=HopMessage.CONNECT), Status.MALFORMED_MESSAGE),
        (
            HopMessage(type=HopMessage.CONNECT, peer=circuit.PeerIdField(id=b"short")),
            Status.MALFORMED_MESSAGE,
        ),
        (
            HopMessage(type=HopMessage.RESERVE, peer=circuit.PeerIdField(id=b"x" * 900)),
            Status.MALFORMED_MESSAGE,
        ),
        (HopMessage(type=HopMessage.STATUS), Status.UNEXPECTED_MESSAGE),
    ],
)
async def test_nonsense_is_refused_and_the_relay_lives_on(
    world: RelayWorld, request_message: HopMessage, status: Status
):
    person = await world.person()
    assert await ask(world, person, request_message) == status
    await world.reserved()


async def test_garbage_bytes_are_refused(world: RelayWorld):
    person = await world.person()
    await person.host.connect([world.address])
    for garbage in (b"\xff" * 20, b"\x05hello", b"\x05he"):
        stream = await person.host.open_stream(world.host.peer_id, HOP)
        await stream.send_all(garbage)
        await stream.send_eof()
        answer = await circuit.receive_message(stream, HopMessage)
        assert circuit.status_of(answer) == Status.MALFORMED_MESSAGE
        await stream.aclose()


async def test_an_idle_circuit_ends_at_the_time_cap():
    async with open_relay_world(RelayLimits(circuit_seconds=1.0)) as world:
        callee, caller = await world.reserved(), await world.person()
        await world.call(caller, callee)
        start = trio.current_time()
        await caller.host.wait_disconnected(callee.peer)
        await callee.host.wait_disconnected(caller.peer)
        assert 0.5 < trio.current_time() - start < 3
        await until(lambda: world.relay.circuits == 0, "the relay forgets it")
        # The callee can be called again at once.
        assert await said_back(await world.call(caller, callee), b"again") == b"again"


async def test_a_circuit_ends_at_the_byte_cap_of_both_directions():
    async with open_relay_world(RelayLimits(circuit_bytes=300_000)) as world:
        callee, caller = await world.reserved(), await world.person()
        other = await world.person()
        kept = await world.call(other, callee)
        stream = await world.call(caller, callee)
        echoed = 0
        with pytest.raises(trio.BrokenResourceError):
            while echoed < 400_000:
                back = await said_back(stream, b"x" * 8000)
                echoed += len(back)
                if len(back) < 8000:
                    raise trio.BrokenResourceError
        assert 100_000 < echoed <= 150_000
        assert await said_back(kept, b"unharmed") == b"unharmed"


async def test_a_pair_and_a_target_have_their_share_of_circuits():
    limits = RelayLimits(circuits_to_one=2, circuits_of_pair=1)
    async with open_relay_world(limits) as world:
        callee, caller = await world.reserved(), await world.person()
        connect = HopMessage(type=HopMessage.CONNECT, peer=circuit.peer_field(callee.peer))
        await world.call(caller, callee)
        assert await ask(world, caller, connect) == Status.RESOURCE_LIMIT_EXCEEDED
        await world.call(await world.person(), callee)
        third = await world.person()
        assert await ask(world, third, connect) == Status.RESOURCE_LIMIT_EXCEEDED


async def test_one_network_leaves_others_their_circuits_to_a_node():
    """Whoever has many PeerIds behind one address takes half of a node's circuits at most."""
    limits = RelayLimits(circuits_to_one=4, circuits_of_network_to_one=2)
    async with open_relay_world(limits) as world:
        callee = await world.reserved()
        connect = HopMessage(type=HopMessage.CONNECT, peer=circuit.peer_field(callee.peer))
        flood = [await world.person() for _ in range(3)]
        for one in flood[:2]:
            await world.call(one, callee)
        assert await ask(world, flood[2], connect) == Status.RESOURCE_LIMIT_EXCEEDED
        elsewhere = await world.person()
        world.relay._prefix_of = lambda stream: (
            "198.51.100.1" if stream.peer_id == elsewhere.peer else "192.0.2.1"
        )
        await world.call(elsewhere, callee)
        assert world.relay.circuits == 3


async def test_a_target_that_does_not_answer_costs_the_caller_seconds_not_minutes():
    async with open_relay_world(RelayLimits(answer_seconds=0.3)) as world:
        callee, caller = await world.reserved(), await world.person()

        async def silent(stream) -> None:
            await trio.sleep_forever()

        callee.host.stop_handling(circuit.STOP)
        callee.host.handle(circuit.STOP, silent)
        connect = HopMessage(type=HopMessage.CONNECT, peer=circuit.peer_field(callee.peer))
        assert await ask(world, caller, connect) == Status.CONNECTION_FAILED
        assert world.relay.circuits == 0


async def test_each_end_of_a_circuit_finishes_its_own_side(world: RelayWorld):
    """Half-close: raw bytes through the hop, below libp2p's connection inside a circuit."""
    callee, caller = await world.reserved(), await world.person()
    said: list[bytes] = []

    async def take(stream) -> None:
        await circuit.receive_message(stream, circuit.StopMessage)
        await circuit.send_message(stream, circuit.stop_answer(Status.OK))
        said.extend([data async for data in stream])
        await stream.send_all(b"heard you out")
        await stream.send_eof()

    callee.host.stop_handling(circuit.STOP)
    callee.host.handle(circuit.STOP, take)
    await caller.host.connect([world.address])
    stream = await caller.host.open_stream(world.host.peer_id, HOP)
    connect = HopMessage(type=HopMessage.CONNECT, peer=circuit.peer_field(callee.peer))
    await circuit.send_message(stream, connect)
    assert circuit.status_of(await circuit.receive_message(stream, HopMessage)) == Status.OK
    await stream.send_all(b"last words")
    await stream.send_eof()
    assert b"".join([data async for data in stream]) == b"heard you out"
    assert b"".join(said) == b"last words"
    await until(lambda: world.relay.circuits == 0, "both ended, so the circuit is gone")
