"""`onmeet_node.testing`: whole nodes in memory, whose calls take no time."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis.strategies import binary

from onmeet_node import (
    CallOptions,
    EndReason,
    FrameFeed,
    FrameTap,
    Kind,
    OnMeetError,
    RoomOptions,
    State,
)
from onmeet_node.protocol.wire.peer_id import ed25519_key, peer_id_of
from onmeet_node.testing import (
    befriend,
    make_home,
    number_of,
    numbered_audio,
    open_memory_network,
)


async def test_two_nodes_call_each_other_and_hear_what_was_sent(autojump_clock):
    heard, said = FrameTap(frozenset({Kind.AUDIO})), FrameFeed()
    async with open_memory_network() as network:
        alice, bob = await network.node("Alice"), await network.node("Bob")
        await befriend(alice, bob)
        async with (
            bob.incoming() as ringing,
            alice.call("Bob", wish=CallOptions(source=said)) as call,
        ):
            theirs = await ringing.receive()
            theirs.accept(wish=CallOptions(tap=heard))
            await call.connected()
            assert call.state is State.CONNECTED
            await theirs.connected()
            for each in (call, theirs):
                while each.sas is None:  # each end tells the other its part of it
                    await anext(each.events)
            assert call.sas == theirs.sas
            for number in range(5):
                said.send(numbered_audio(number))
            assert [number_of(await anext(heard)) for _ in range(5)] == [0, 1, 2, 3, 4]
        assert await call.ended() is EndReason.HUNG_UP
        assert await theirs.ended() is EndReason.PEER_HUNG_UP
        assert [past.reason for past in bob.history.list(10)] == [EndReason.PEER_HUNG_UP]


async def test_hours_of_a_person_pass_in_no_time(autojump_clock):
    async with open_memory_network() as network:
        alice, bob = [await network.node(name, source="none") for name in ("Alice", "Bob")]
        await befriend(alice, bob)
        async with alice.call("Bob") as call:  # nobody is there to notice
            assert await call.ended() is EndReason.NO_ANSWER
        async with bob.incoming() as ringing, alice.call("Bob") as call:
            (await ringing.receive()).decline("Not now")
            assert await call.ended() is EndReason.PEER_DECLINED
            assert call.note == "Not now"
        async with bob.incoming() as ringing, alice.call("Bob") as call:
            theirs = await ringing.receive()
            theirs.accept()
            await call.connected()
            await trio.sleep(3600)
            assert call.state is theirs.state is State.CONNECTED


async def test_lines_of_chat_and_the_tone_of_a_test_source_arrive(autojump_clock):
    heard = FrameTap()
    async with open_memory_network() as network:
        alice, bob = await network.node("Alice"), await network.node("Bob")
        await befriend(alice, bob)
        async with bob.incoming() as ringing, alice.call("Bob") as call:
            theirs = await ringing.receive()
            theirs.accept(wish=CallOptions(tap=heard))
            await call.connected()
            await theirs.connected()
            frames = [await anext(heard) for _ in range(20)]
            assert {frame.kind for frame in frames} == set(Kind)
            numbers = [number_of(frame) for frame in frames if frame.kind is Kind.AUDIO]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_whoever_vanishes_is_noticed_and_lost(autojump_clock):
    async with open_memory_network() as network:
        alice, bob = await network.node("Alice"), await network.node("Bob")
        await befriend(alice, bob)
        async with bob.incoming() as ringing, alice.call("Bob") as call:
            theirs = await ringing.receive()
            theirs.accept()
            await call.connected()
            network.vanish(bob)
            assert await call.ended() is EndReason.CONNECTION_LOST


async def test_who_stops_is_told_of_and_comes_back_the_same(autojump_clock):
    async with open_memory_network() as network:
        alice, bob = await network.node("Alice"), await network.node("Bob")
        await befriend(alice, bob)
        async with bob.incoming() as ringing, alice.call("Bob") as call:
            (await ringing.receive()).accept()
            await call.connected()
            await network.stop(bob)
            assert await call.ended() is EndReason.SHUTDOWN
        again = await network.node("Bob")
        assert again.identity == bob.identity
        async with again.incoming() as ringing, alice.call("Bob") as call:
            (await ringing.receive()).accept()
            await call.connected()
            assert call.state is State.CONNECTED


async def test_three_meet_in_a_room(autojump_clock):
    def as_(name: str) -> RoomOptions:
        return RoomOptions(name, frozenset(Kind), CallOptions())

    async with open_memory_network() as network:
        people = [await network.node(name) for name in ("Ada", "Bob", "Cleo")]
        ada, *others = people
        code = ada.rooms.code("Team")
        await ada.published()
        async with await ada.rooms.create("Team", as_("Ada"), standing=True) as hers:
            for other in others:
                await other.rooms.join_code(code, as_(other.config.home.name))
            for each in others:
                await each.rooms.find().met()
            await hers.met()
            assert {person.name for person in hers.describe().people} == {"Ada", "Bob", "Cleo"}
            strings = set()
            for each in people:
                room = each.rooms.find()
                while (string := room.describe().string) is None:
                    await room.changed()
                strings.add(string)
            assert len(strings) == 1, "they read the same numbers"
            assert await hers.say("Hello") == ()


def test_a_home_is_made_in_one_line(tmp_path):
    from onmeet_node.store import KeyFile, open_home

    with open_home(make_home(tmp_path / "ann", "Ann"), KeyFile()) as store:
        assert store.identity
    with pytest.raises(OnMeetError, match="already"):
        make_home(tmp_path / "ann")


@given(binary(min_size=32, max_size=32))
def test_a_peer_id_holds_its_key(key):
    assert ed25519_key(peer_id_of(key)) == key
