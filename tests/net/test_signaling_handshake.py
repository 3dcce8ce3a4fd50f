"""Opening a sealed channel: who gets in, what the others see, and what a replay is worth."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from onmeet_node.net.channels.channel import accept_channel, open_channel
from onmeet_node.net.channels.credentials import KeyAlone
from onmeet_node.net.channels.handshake import SeenEphemerals, prologue
from onmeet_node.net.channels.handshake_limits import HandshakeLimits
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.errors import RemoteProtocolError
from onmeet_node.protocol.identity.audience import Audience, find_by_proof, proof
from onmeet_node.protocol.identity.errors import IdentityError
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.wire.errors import HandshakeError
from onmeet_node.protocol.wire.frames import encode_frame
from onmeet_node.protocol.wire.messages import CallId, Hello, Invite
from tests.fakes.sealed import ALICE, BOB, LAPTOP, PHONE, hello, name

MALLORY = IdentityKey.from_seed(b"m" * 32)
OTHER = Device("12D3KooWSHj3RRbBjD15g6wekV8y3mm57Pobmps2g2WJm6F67Lay")
INVITE = Invite(call=CallId(b"c" * 16))


async def first_message(key=ALICE, **options) -> bytes:
    """What Alice sends to open a channel to Bob, as the frame on the wire."""
    left, right = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:

        async def opening():
            await open_channel(
                left,
                KeyAlone(key),
                name(BOB),
                lambda _: hello("Alice"),
                local=PHONE,
                device=LAPTOP,
                **options,
            )

        nursery.start_soon(opening)
        data = await right.receive_some()
        nursery.cancel_scope.cancel()
    return data


async def answer(
    data: bytes, *, seen: SeenEphemerals | None = None, device=PHONE, key=BOB, admit=None
):
    """What Bob makes of it: the channel or the error, and the bytes he sent back."""
    left, right = trio.testing.memory_stream_pair()
    await left.send_all(data)
    await left.send_eof()
    try:
        channel = await accept_channel(
            right,
            KeyAlone(key),
            admit or (lambda *_: hello("Bob")),
            seen if seen is not None else SeenEphemerals(),
            local=LAPTOP,
            device=device,
        )
    except RemoteProtocolError as error:
        channel = error
    await right.aclose()
    return channel, await left.receive_some()


async def test_an_honest_opening_is_answered():
    channel, sent = await answer(await first_message())
    assert channel.identity == name(ALICE)
    assert sent


@pytest.mark.parametrize(
    "case", ["replay", "other peer", "other identity", "not admitted", "cut", "altered", "noise"]
)
async def test_whatever_is_wrong_bob_sends_not_one_byte(case):
    data = await first_message()
    options = {}
    if case == "replay":
        options["seen"] = SeenEphemerals()
        await answer(data, **options)
    elif case == "other peer":
        options["device"] = OTHER
    elif case == "other identity":
        options["key"] = MALLORY
    elif case == "not admitted":
        options["admit"] = lambda *_: None
    elif case == "cut":
        data = data[:50]
    elif case == "altered":
        data = data[:-1] + bytes([data[-1] ^ 1])
    else:
        data = encode_frame(b"\x05" * 200)
    error, sent = await answer(data, **options)
    assert isinstance(error, HandshakeError)
    assert sent == b""


async def test_a_message_over_the_limit_is_refused_before_it_is_read():
    error, sent = await answer((1 << 20).to_bytes(4, "big"))
    assert isinstance(error, RemoteProtocolError)
    assert sent == b""


async def test_naming_an_identity_that_was_not_proven_does_not_help():
    class Liar(IdentityKey):
        """Holds Mallory's key and says it is Alice."""

    liar = Liar(b"m" * 32)
    liar.public = ALICE.public
    error, sent = await answer(await first_message(key=liar))
    assert isinstance(error, HandshakeError)
    assert "proven" in str(error)
    assert sent == b""


@pytest.mark.parametrize("bad", [bytes(32), b"\xff" * 32, b"short"])
async def test_a_bad_identity_to_open_to_is_told_before_anything_is_sent(bad):
    with trio.fail_after(1), pytest.raises(IdentityError):
        left, _ = trio.testing.memory_stream_pair()
        await open_channel(
            left, KeyAlone(ALICE), Identity(bad), lambda _: Hello(), local=PHONE, device=LAPTOP
        )


async def test_the_proof_of_a_code_is_judged_before_the_answer():
    code = Audience("a code", b"s" * 16)
    found = []

    def admit(identity, greeting, opening_hash):
        found.append(find_by_proof([code], greeting.proof, opening_hash, 0))
        return hello("Bob")

    left, right = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:

        async def accepting():
            await accept_channel(
                right, KeyAlone(BOB), admit, SeenEphemerals(), local=LAPTOP, device=PHONE
            )

        nursery.start_soon(accepting)
        await open_channel(
            left,
            KeyAlone(ALICE),
            name(BOB),
            lambda opening_hash: Hello(proof=proof(code.secret, opening_hash)),
            local=PHONE,
            device=LAPTOP,
        )
    assert found == [code]


async def test_the_proof_of_one_opening_is_worthless_in_the_next():
    hashes = []
    for _ in range(2):
        await answer(await first_message(), admit=lambda i, g, h: hashes.append(h) or hello("Bob"))
    assert hashes[0] != hashes[1]


async def test_an_impostor_who_answers_for_bob_is_refused():
    left, right = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:

        async def impostor():
            await right.receive_some()
            await right.send_all(encode_frame(bytes(range(1, 101))))

        nursery.start_soon(impostor)
        with pytest.raises(HandshakeError):
            await open_channel(
                left, KeyAlone(ALICE), name(BOB), lambda _: Hello(), local=PHONE, device=LAPTOP
            )


async def test_too_many_messages_in_the_first_are_refused():
    error, sent = await answer(await first_message(first=[INVITE] * 9))
    assert isinstance(error, HandshakeError)
    assert sent == b""
    channel, _ = await answer(await first_message(first=[INVITE] * 8))
    assert channel.lost == ()


async def test_lost_channels_are_named_in_the_first_message():
    tags = [bytes([n]) * 8 for n in range(6)]
    channel, _ = await answer(await first_message(lost=tags))
    assert channel.lost == tuple(tags[-4:])


def test_the_prologue_tells_direction_and_both_ends():
    assert prologue(PHONE, LAPTOP) != prologue(LAPTOP, PHONE)
    assert prologue(Device("ab"), Device("c")) != prologue(Device("a"), Device("bc"))
    assert prologue(Device("ab"), Device("c")) == b"/onmeet/signal/2\x02ab\x01c"


def test_seen_ephemerals_are_bounded_and_forget_the_oldest():
    seen = SeenEphemerals(limit=100)
    for n in range(1000):
        assert seen.add(n.to_bytes(32, "big"))
    assert len(seen) == 100
    assert not seen.add((999).to_bytes(32, "big"))
    assert seen.add((0).to_bytes(32, "big"))


class TestLobby:
    async def test_every_kind_of_failure_takes_the_same_time(self, autojump_clock):
        async def at_once():
            raise HandshakeError("not admitted")

        async def after_a_while():
            await trio.sleep(3)
            raise trio.BrokenResourceError

        for handshake in (at_once, after_a_while, trio.sleep_forever):
            began = trio.current_time()
            assert await HandshakeLimits(seconds=10).receive("peer", "network", handshake) is None
            assert trio.current_time() - began == pytest.approx(10)

    async def test_a_peer_that_says_nothing_holds_no_place_for_ever(self, autojump_clock):
        lobby = HandshakeLimits(seconds=10)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lobby.receive, "peer", "network", trio.sleep_forever)
            await trio.testing.wait_all_tasks_blocked()
            assert lobby.half_open == 1
        assert lobby.half_open == lobby.silenced == 0

    async def test_one_peer_gets_few_places(self, autojump_clock):
        lobby = HandshakeLimits(per_peer=4)
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(lobby.receive, "peer", "network", trio.sleep_forever)
            await trio.testing.wait_all_tasks_blocked()
            assert lobby.half_open == 4
            nursery.cancel_scope.cancel()
        assert lobby._peers == {}

    async def test_many_silent_peers_do_not_keep_an_honest_one_out(self, autojump_clock):
        lobby = HandshakeLimits(half_open=8)

        async def honest():
            await trio.sleep(0.1)
            return "in"

        async with trio.open_nursery() as nursery:
            for n in range(50):
                nursery.start_soon(lobby.receive, f"peer {n}", "network", trio.sleep_forever)
            await trio.testing.wait_all_tasks_blocked()
            assert lobby.half_open == 8
            assert await lobby.receive("honest", "network", honest) == "in"
            nursery.cancel_scope.cancel()

    async def test_a_flood_from_one_network_pushes_out_its_own_alone(self, autojump_clock):
        lobby = HandshakeLimits(half_open=8)

        async def slow():
            await trio.sleep(5)
            return "in"

        answers = []
        answered = trio.Event()

        async def honest(n):
            answers.append(await lobby.receive(f"honest {n}", f"198.51.100.{n}", slow))
            if len(answers) == 3:
                answered.set()

        async with trio.open_nursery() as nursery:
            for n in range(3):
                nursery.start_soon(honest, n)
            await trio.testing.wait_all_tasks_blocked()
            for n in range(200):
                nursery.start_soon(lobby.receive, f"peer {n}", "192.0.2.1", trio.sleep_forever)
            await trio.testing.wait_all_tasks_blocked()
            assert lobby.half_open == 8
            await answered.wait()
            nursery.cancel_scope.cancel()
        assert answers == ["in"] * 3

    async def test_what_fails_on_our_side_looks_like_every_other_refusal(self, autojump_clock):
        async def broken():
            raise KeyError("a row that is not there")

        began = trio.current_time()
        assert await HandshakeLimits(seconds=10).receive("peer", "network", broken) is None
        assert trio.current_time() - began == pytest.approx(10)

    async def test_refused_ones_are_bounded_too(self, autojump_clock):
        lobby = HandshakeLimits(silenced=8)

        async def refused():
            raise HandshakeError("not admitted")

        async with trio.open_nursery() as nursery:
            for n in range(50):
                nursery.start_soon(lobby.receive, f"peer {n}", "network", refused)
            await trio.testing.wait_all_tasks_blocked()
            assert lobby.silenced == 8
            assert lobby.half_open == 0
