"""A running sealed channel, over streams in memory: order, heartbeat, limits, ends."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from functools import partial

import pytest
import trio
import trio.testing

from onmeet_node.net.channels.channel import INBOX, Channel, End
from onmeet_node.net.channels.handshake import Framed
from onmeet_node.net.channels.send_queue import MAX_QUEUED, MAX_QUEUED_BYTES
from onmeet_node.net.channels.timing import Timing
from onmeet_node.net.errors import ChannelEnded
from onmeet_node.protocol.wire import codec
from onmeet_node.protocol.wire.frames import encode_frame
from onmeet_node.protocol.wire.messages import (
    Bye,
    CallId,
    Candidate,
    Candidates,
    ContactRequest,
    Hello,
    Invite,
    Ping,
    Pong,
    Renegotiate,
    Unsupported,
)
from tests.fakes.sealed import ALICE, BOB, LAPTOP, PHONE, drain, hello, name, sealed_pair, shake

CALL = CallId(b"c" * 16)


def note(n: int) -> ContactRequest:
    return ContactRequest(note=str(n))


def _note_time(times: list[float]) -> None:
    times.append(trio.current_time())


def seal(channel: Channel, message) -> bytes:
    """What a channel that is not run would send for this message."""
    sealed = channel._sealing.seal(codec.encode(message), now=trio.current_time())
    return b"".join(map(encode_frame, sealed))


class Raw:
    """Alice's end of a handshake, used by hand: what a peer with another program could send."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.stream = channel._framed._stream

    async def seal(self, data: bytes) -> None:
        sealed = self._channel._sealing.seal(data, now=trio.current_time())
        await self.stream.send_all(b"".join(map(encode_frame, sealed)))

    async def read(self):
        frame = await self._channel._framed.receive()
        return frame and codec.decode(self._channel._opening.open(frame))


class Peer:
    """Bob's running channel and Alice's hand-driven end."""

    def __init__(
        self, timing: Timing | None = None, doubted: Callable[[], None] = lambda: None
    ) -> None:
        self._timing = timing
        self._doubted = doubted

    async def __aenter__(self) -> tuple[Raw, Channel]:
        left, right = trio.testing.memory_stream_pair()
        alice, bob = await shake(left, right, timing=self._timing, doubted=self._doubted)
        self._manager = trio.open_nursery()
        self._nursery = await self._manager.__aenter__()
        self._nursery.start_soon(bob.run)
        return Raw(alice), bob

    async def __aexit__(self, *exc):
        self._nursery.cancel_scope.cancel()
        return await self._manager.__aexit__(*exc)


class TestTalking:
    async def test_messages_arrive_both_ways_in_order(self):
        async with sealed_pair() as (alice, bob):
            for n in range(50):
                alice.send(note(n))
                bob.send(note(1000 + n))
            assert [await anext(aiter(bob)) for _ in range(50)] == [note(n) for n in range(50)]
            got = [await anext(aiter(alice)) for _ in range(50)]
            assert got == [note(1000 + n) for n in range(50)]

    async def test_each_side_knows_who_the_other_is(self):
        async with sealed_pair() as (alice, bob):
            assert (alice.identity, alice.device, alice.hello) == (name(BOB), LAPTOP, hello("Bob"))
            assert (bob.identity, bob.device, bob.hello) == (name(ALICE), PHONE, hello("Alice"))
            assert alice.handshake_hash == bob.handshake_hash
            assert len(alice.handshake_hash) == 64
            assert (alice.initiator, bob.initiator) == (True, False)

    async def test_an_invite_can_ride_in_the_first_message(self):
        invite = Invite(call=CALL, sdp="v=0")
        async with sealed_pair(first=[invite]) as (alice, bob):
            alice.send(note(1))
            assert await anext(aiter(bob)) == invite
            assert await anext(aiter(bob)) == note(1)

    async def test_what_goes_over_the_stream_shows_neither_who_nor_what(self):
        left, right = trio.testing.memory_stream_pair()
        seen = bytearray()

        async def tap():
            data = left.send_stream.get_data_nowait()
            seen.extend(data)
            right.receive_stream.put_data(data)

        left.send_stream.send_all_hook = tap
        async with sealed_pair((left, right), first=[note(7_000_001)]) as (alice, bob):
            alice.send(note(7_000_002))
            await anext(aiter(bob))
            await anext(aiter(bob))
        assert len(seen) > 200
        for needle in (b"700000", b"Alice", ALICE.public, BOB.public, PHONE.encode()):
            assert needle not in seen

    async def test_the_longest_offer_passes(self):
        async with sealed_pair() as (alice, bob):
            offer = Renegotiate(call=CALL, generation=1, sdp="x" * 24_000)
            alice.send(offer)
            assert await anext(aiter(bob)) == offer

    async def test_it_works_when_the_stream_cuts_frames_anywhere(self):
        async with sealed_pair(trio.testing.lockstep_stream_pair()) as (alice, bob):
            for n in range(5):
                alice.send(note(n))
            assert [await anext(aiter(bob)) for _ in range(5)] == [note(n) for n in range(5)]

    async def test_a_message_of_an_unknown_type_is_answered_and_harms_nothing(self):
        async with Peer() as (raw, bob):
            await raw.seal(b"\x81\xa1t\xa8hologram")
            assert await raw.read() == Unsupported(type="hologram")
            await raw.seal(codec.encode(note(1)))
            assert await anext(aiter(bob)) == note(1)

    async def test_flush_returns_when_the_peer_has_taken_everything(self):
        async with sealed_pair() as (alice, bob):
            alice.send(note(1))
            with trio.fail_after(2):
                assert await alice.flush()
            assert bob._taken.receive_nowait() == note(1)

    async def test_held_messages_wait_and_heartbeats_do_not(self, autojump_clock):
        async with sealed_pair() as (alice, bob):
            alice.hold()
            alice.send(note(1))
            await trio.sleep(60)
            assert alice.end is None
            with pytest.raises(trio.WouldBlock):
                bob._taken.receive_nowait()
            alice.release()
            assert await anext(aiter(bob)) == note(1)


class TestKeys:
    async def test_a_long_channel_replaces_its_keys_in_both_directions(self, autojump_clock):
        async with sealed_pair() as (alice, bob):
            keys = [side._sealing._cipher._key for side in (alice, bob)]
            await trio.sleep(1300)
            alice.send(note(1))
            bob.send(note(2))
            assert [await anext(aiter(bob)), await anext(aiter(alice))] == [note(1), note(2)]
            now = [side._sealing._cipher._key for side in (alice, bob)]
            assert now == [side._opening._cipher._key for side in (bob, alice)]
            assert not {*now} & {*keys}

    async def test_a_key_that_only_one_side_replaced_ends_the_channel(self):
        async with Peer() as (raw, bob):
            await raw.stream.send_all(encode_frame(raw._channel._sealing._cipher.encrypt(b"", b"")))
            await raw.seal(codec.encode(note(1)))
            assert await drain(bob) == []
            assert bob.end is End.MALFORMED


class TestHeartbeat:
    async def test_an_idle_channel_stays_open_for_hours(self, autojump_clock):
        async with sealed_pair() as (alice, bob):
            await trio.sleep(3 * 3600)
            assert alice.end is None
            assert bob.end is None

    async def test_a_peer_that_falls_silent_is_given_up_after_15_seconds(self, autojump_clock):
        async with Peer() as (_, bob):
            began = trio.current_time()
            assert await drain(bob) == []
            assert trio.current_time() - began == pytest.approx(15, abs=0.1)
            assert bob.end is End.SILENT

    async def test_an_idle_channel_asks_less_often_and_waits_longer(self, autojump_clock):
        async with Peer() as (raw, bob):
            while not bob.idle:
                await raw.seal(codec.encode(Pong(n=0)))
                await trio.sleep(4)
            began = trio.current_time()
            assert isinstance(await raw.read(), Ping)
            assert trio.current_time() - began >= 12
            await bob.over.wait()
            assert 30 <= trio.current_time() - began <= 36
            assert bob.end is End.SILENT

    async def test_a_silent_peer_is_doubted_as_soon_as_somebody_waits(self, autojump_clock):
        """It may have moved to another network while nobody looked."""
        for use in (lambda bob: bob.attend(attended=True), lambda bob: bob.send(note(1))):
            doubts: list[float] = []
            async with Peer(doubted=partial(_note_time, doubts)) as (raw, bob):
                while not bob.idle:
                    await raw.seal(codec.encode(Pong(n=0)))
                    await trio.sleep(4)
                await trio.sleep(14)
                assert doubts == []
                began = trio.current_time()
                use(bob)
                assert doubts == [began]
                await bob.over.wait()
                assert trio.current_time() - began == pytest.approx(15, abs=0.1)
                assert doubts == [began]

    async def test_a_peer_that_answers_nothing_is_doubted_after_a_second(self, autojump_clock):
        doubts: list[float] = []
        async with Peer(doubted=partial(_note_time, doubts)) as (raw, bob):
            for _ in range(2):
                await raw.seal(codec.encode(Pong(n=0)))
                await trio.sleep(0.5)
                bob.send(note(1))
                await trio.sleep(0.5)
            assert doubts == []
            await trio.sleep(0.6)
            assert len(doubts) == 1

    async def test_an_idle_hour_costs_few_messages(self, autojump_clock):
        async with sealed_pair() as (alice, bob):
            await trio.sleep(3600)
            assert alice._asked + bob._asked < 400

    async def test_a_silent_peer_is_asked_every_5_seconds(self, autojump_clock):
        async with Peer() as (raw, bob):
            began = trio.current_time()
            assert isinstance(await raw.read(), Ping)
            assert trio.current_time() - began == pytest.approx(5, abs=0.1)
            ping = await raw.read()
            assert trio.current_time() - began == pytest.approx(10, abs=0.1)
            await raw.seal(codec.encode(Pong(n=ping.n)))
            await trio.sleep(14)
            assert bob.end is None

    async def test_a_peer_that_talks_is_not_asked(self, autojump_clock):
        async with Peer() as (raw, _):
            for n in range(10):
                await trio.sleep(3)
                await raw.seal(codec.encode(note(n)))
            with trio.move_on_after(2) as quiet:
                await raw.read()
            assert quiet.cancelled_caught

    async def test_a_ping_is_answered_with_its_number(self):
        async with Peer() as (raw, _):
            await raw.seal(codec.encode(Ping(n=7)))
            assert await raw.read() == Pong(n=7)

    async def test_a_slow_app_does_not_make_the_peer_look_dead(self, autojump_clock):
        timing = Timing(burst=1000, rate=1000)
        async with sealed_pair(timing=timing) as (alice, bob):
            for n in range(INBOX + 20):
                alice.send(note(n))
            await trio.sleep(14)
            got = [await anext(aiter(bob)) for _ in range(INBOX + 20)]
            assert got[-1] == note(INBOX + 19)
            await trio.sleep(60)
            assert bob.end is None


class TestEnds:
    async def test_closing_delivers_what_was_sent_before(self):
        async with sealed_pair() as (alice, bob):
            alice.send(note(1))
            alice.send(note(2))
            alice.close("going to bed")
            assert await drain(bob) == [note(1), note(2)]
            assert (bob.end, bob.detail) == (End.PEER_CLOSED, "going to bed")
            await alice.over.wait()
            assert alice.end is End.CLOSED

    async def test_closing_both_sides_at_once_loses_nothing(self):
        async with sealed_pair() as (alice, bob):
            for channel in (alice, bob):
                channel.send(note(1))
                channel.close()
            assert await drain(alice) == await drain(bob) == [note(1)]

    async def test_closing_takes_two_seconds_at_most_when_the_peer_is_gone(self, autojump_clock):
        async with Peer() as (_, bob):
            began = trio.current_time()
            await bob.aclose()
            assert trio.current_time() - began <= 2.01

    async def test_a_broken_stream_is_noticed_at_once(self):
        async with Peer() as (raw, bob):
            raw.stream.send_stream.close()
            with trio.fail_after(1):
                assert await drain(bob) == []
            assert bob.end is End.LOST

    async def test_sending_on_a_channel_that_is_over_says_so(self):
        async with sealed_pair() as (alice, _):
            await alice.aclose()
            with pytest.raises(ChannelEnded, match="Open it again"):
                alice.send(note(1))
            assert "closed" in repr(alice)

    async def test_a_peer_that_does_not_read_loses_the_channel_and_blocks_nobody(
        self, autojump_clock
    ):
        left, right = trio.testing.lockstep_stream_pair()
        _, bob = await shake(left, right)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bob.run)
            with pytest.raises(ChannelEnded, match="not-reading"):
                for n in range(MAX_QUEUED + 2):
                    bob.send(note(n))
            with trio.fail_after(3):
                await bob.over.wait()
        assert bob.end is End.NOT_READING

    async def test_few_large_messages_nobody_reads_end_it_too(self, autojump_clock):
        left, right = trio.testing.lockstep_stream_pair()
        _, bob = await shake(left, right)
        big = Renegotiate(call=CALL, generation=1, sdp="x" * 24_000)
        sent = 0
        with pytest.raises(ChannelEnded):
            while True:
                bob.send(big)
                sent += 1
        assert sent * 24_000 <= MAX_QUEUED_BYTES

    async def test_one_write_that_hangs_ends_it(self, autojump_clock):
        left, right = trio.testing.lockstep_stream_pair()
        alice, bob = await shake(left, right)
        alice.send(note(1))  # so that Bob hears something, and writes are what is stuck

        async def keep_talking():
            with contextlib.suppress(trio.BrokenResourceError):
                while True:
                    await left.send_all(seal(alice, note(0)))
                    await trio.sleep(1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(bob.run)
            nursery.start_soon(keep_talking)
            bob.send(note(1))
            with trio.fail_after(20):
                await bob.over.wait()
            nursery.cancel_scope.cancel()
        assert bob.end is End.NOT_READING


class TestBadPeers:
    @pytest.mark.parametrize(
        "data",
        [
            b"garbage",
            b"\x81\xa1t\x01",
            b"\x82\xa1t\xa6invite\xa4call\xa3abc",
            codec.encode(Hello()),
        ],
        ids=["not msgpack", "type not text", "bad call id", "second hello"],
    )
    async def test_malformed_messages_end_the_channel_with_a_reason(self, data):
        async with Peer() as (raw, bob):
            await raw.seal(codec.encode(note(1)))
            await raw.seal(data)
            await raw.seal(codec.encode(note(2)))
            with trio.fail_after(1):
                assert await drain(bob) == [note(1)]
            assert bob.end is End.MALFORMED
            assert bob.detail
            assert await raw.read() == Bye(reason="malformed")

    @pytest.mark.parametrize(
        "data",
        [b"GET / HTTP/1.1\r\n\r\n", encode_frame(b"x" * 40), (1 << 31).to_bytes(4, "big")],
        ids=["http", "not sealed", "2 GiB"],
    )
    async def test_bytes_that_are_no_sealed_frames_end_it(self, data):
        async with Peer() as (raw, bob):
            await raw.stream.send_all(data)
            with trio.fail_after(1):
                assert await drain(bob) == []
            assert bob.end is End.MALFORMED

    async def test_a_replayed_message_ends_it(self):
        async with Peer() as (raw, bob):
            frame = seal(raw._channel, note(1))
            await raw.stream.send_all(frame + frame)
            assert await drain(bob) == [note(1)]
            assert bob.end is End.MALFORMED

    async def test_a_flood_ends_it(self, autojump_clock):
        async with Peer(Timing(rate=50, burst=100)) as (raw, bob):
            with contextlib.suppress(trio.BrokenResourceError):
                for _ in range(150):
                    await raw.seal(codec.encode(Ping(n=1)))
            await bob.over.wait()
            assert bob.end is End.FLOOD

    async def test_a_burst_of_candidates_is_no_flood(self, autojump_clock):
        async with sealed_pair() as (alice, bob):
            one = Candidates(call=CALL, candidates=(Candidate(candidate="candidate:1"),))
            for _ in range(200):
                alice.send(one)
            for _ in range(200):
                await anext(aiter(bob))
            assert bob.end is None

    async def test_pings_of_a_peer_that_reads_no_answers_do_not_pile_up(self, autojump_clock):
        left, right = trio.testing.lockstep_stream_pair()
        alice, bob = await shake(left, right, timing=Timing(burst=10_000))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bob.run)
            with pytest.raises(trio.BrokenResourceError):
                while True:
                    await left.send_all(seal(alice, Ping(n=1)))
        assert bob.end is End.NOT_READING


async def test_secrets_stay_out_of_repr():
    left, right = trio.testing.memory_stream_pair()
    alice, _ = await shake(left, right)
    for shown in (repr(alice), repr(Framed(left)), repr(alice.hello)):
        assert ALICE.public.hex() not in shown
        assert hashlib.sha256(ALICE.seed).hexdigest() not in shown
