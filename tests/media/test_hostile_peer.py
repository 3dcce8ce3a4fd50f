"""A peer whose packets no honest program sends: its session ends or goes on, and no other notices.

The hostile end is plain aiortc, connected for real, so that what it sends is sealed by DTLS and
SRTP as an honest one's is.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiortc
import pylibsrtp
import pytest
import trio
from aiortc.rtp import RtpPacket
from google_crc32c import value as crc32c

from onmeet_node.media.endpoint import Connected, Failed, FirstFrame, SessionConfig
from onmeet_node.media.engine.asyncio_thread import open_asyncio_thread
from onmeet_node.media.engine.encoders import OpusEncoder, Vp8Encoder
from onmeet_node.media.engine.endpoint import AiortcEndpoint, MediaSettings, open_endpoint
from onmeet_node.media.engine.frame_assembly import MAX_SIDE, EncodedPicture, can_be_shown
from onmeet_node.media.engine.guard import MAX_SOURCES
from onmeet_node.media.engine.rate_control import RateControl
from onmeet_node.media.engine.receivers import MAX_BACKLOG_BYTES, AudioPlayer, VideoPlayer
from onmeet_node.media.engine.sources import audio_frame
from onmeet_node.media.engine.test_picture import TestPicture
from onmeet_node.media.errors import ChatUnconfirmed
from onmeet_node.media.frames import KEPT_BYTES, FrameTap, VideoFrame
from onmeet_node.protocol.wire.messages import Chat, Kind
from tests.media.support import BOTH, Listener, Pair, open_pair

pytestmark = pytest.mark.timeout(600)


class Mallory:
    """Plain aiortc as the other end of a session of ours, driven in the endpoint's thread."""

    def __init__(self, endpoint: AiortcEndpoint) -> None:
        self._thread = endpoint._thread

    async def aio_open(self) -> str:
        config = aiortc.RTCConfiguration(
            iceServers=[], bundlePolicy=aiortc.RTCBundlePolicy.MAX_BUNDLE
        )
        self.pc = aiortc.RTCPeerConnection(config)
        for kind in ("audio", "video"):
            self.pc.addTransceiver(kind, "sendrecv")
        self.channel = self.pc.createDataChannel("onmeet", negotiated=True, id=0)
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self.pc.localDescription.sdp

    async def aio_answered(self, sdp: str) -> None:
        await self.pc.setRemoteDescription(aiortc.RTCSessionDescription(sdp, "answer"))

    @property
    def dtls(self) -> Any:
        return self.pc.getTransceivers()[0].receiver.transport

    def payload_type(self, kind: str) -> int:
        transceiver = next(t for t in self.pc.getTransceivers() if t.kind == kind)
        return int(transceiver._codecs[0].payloadType)

    async def do(self, function: Callable[[], Awaitable[None]]) -> None:
        await self._thread.run(function)


@asynccontextmanager
async def attacked(endpoint: AiortcEndpoint) -> AsyncIterator[tuple[Mallory, Listener]]:
    """A session of ours with Mallory at its other end, connected."""
    mallory = Mallory(endpoint)
    offer = await endpoint._thread.run(mallory.aio_open)
    session = await endpoint.open_session(SessionConfig(kinds=BOTH))
    async with trio.open_nursery() as nursery:
        victim = Listener(session)
        nursery.start_soon(victim.run)
        try:
            await endpoint._thread.run(mallory.aio_answered, await session.accept_offer(offer))
            await victim.wait_for(Connected, 120)
            await endpoint._thread.run(_aio_connected, mallory)
            yield mallory, victim
        finally:
            with trio.CancelScope(shield=True):
                await endpoint._thread.run(mallory.pc.close)
                await session.aclose()
            nursery.cancel_scope.cancel()


async def _aio_connected(mallory: Mallory) -> None:
    channel = mallory.channel
    opened = asyncio.Event()
    channel.on("open", opened.set)
    if channel.readyState != "open":
        await opened.wait()


def rtp(mallory: Mallory, kind: str, number: int, payload: bytes, **more: int) -> bytes:
    packet = RtpPacket(
        payload_type=mallory.payload_type(kind),
        sequence_number=number & 0xFFFF,
        timestamp=more.get("timestamp", number * 3000) & 0xFFFF_FFFF,
        ssrc=more.get("ssrc", 77),
        marker=more.get("marker", 1),
    )
    packet.payload = payload
    return packet.serialize()


async def _plays(pair: Pair) -> None:
    """Media of another session of the same endpoint still flows, from now on."""
    before = {s.kind: s.frames_decoded for s in (await pair.b.session.stats()).streams}
    with trio.fail_after(120):
        while True:
            now = {s.kind: s.frames_decoded for s in (await pair.b.session.stats()).streams}
            if all(now[kind] > before[kind] for kind in BOTH):
                return
            await trio.sleep(0.05)


async def garbage_over_sctp(mallory: Mallory) -> None:
    """Two INIT chunks in a packet: an AssertionError in aiortc."""
    from aiortc.rtcsctptransport import InitChunk, serialize_packet

    init = InitChunk()
    init.initiate_tag = init.initial_tsn = 1
    init.advertised_rwnd, init.outbound_streams, init.inbound_streams = 1, 1, 1
    two = serialize_packet(5000, 5000, 0, init)
    body = two[12:] * 2
    head = two[:8] + bytes(4)
    packet = head[:8] + struct.pack("<L", crc32c(head + body)) + body
    await mallory.dtls._send_data(packet)


async def parameter_of_no_length(mallory: Mallory) -> None:
    """aiortc reads it for ever: the media of every call stood still, and memory ran out."""
    body = struct.pack("!BBH", 4, 0, 12) + struct.pack("!HH", 1, 0) * 2
    await mallory.dtls._send_data(sctp_packet(mallory, body))


async def gaps_without_end(mallory: Mallory) -> None:
    """Two hundred times 65,536 pieces to count through, in a packet of 816 bytes."""
    body = struct.pack("!LLHH", mallory.pc.sctp._last_received_tsn, 1 << 20, 200, 0)
    body += struct.pack("!HH", 0, 0xFFFF) * 200
    chunk = struct.pack("!BBH", 3, 0, 4 + len(body)) + body
    await mallory.dtls._send_data(sctp_packet(mallory, chunk))


def sctp_packet(mallory: Mallory, body: bytes) -> bytes:
    head = struct.pack("!HHL", 5000, 5000, mallory.pc.sctp._remote_verification_tag)
    return head + struct.pack("<L", crc32c(head + bytes(4) + body)) + body


async def text_that_is_none(mallory: Mallory) -> None:
    await mallory.pc.sctp._send(0, 51, b"\xff\xfe\xfd")  # 51: a string, in UTF-8


async def sources_without_end(mallory: Mallory) -> None:
    for ssrc in range(1, MAX_SOURCES * 3):
        data = rtp(mallory, "audio", ssrc, b"\x78abc", ssrc=ssrc)
        await mallory.dtls._send_rtp(data)


async def reports_that_count_too_far(mallory: Mallory) -> None:
    """The jitter of these timestamps has more than the 32 bits of its field."""
    for number in range(1_500):
        back = number % 2 == 0
        if back:
            await asyncio.sleep(0.01)
        timestamp = 0 if back else 0xFFFF_FFFF
        await mallory.dtls._send_rtp(rtp(mallory, "audio", number, b"\x78abc", timestamp=timestamp))


@pytest.mark.real
@pytest.mark.parametrize(
    "attack",
    [
        garbage_over_sctp,
        parameter_of_no_length,
        gaps_without_end,
        text_that_is_none,
        sources_without_end,
        reports_that_count_too_far,
    ],
)
async def test_packets_that_aiortc_cannot_bear_end_their_own_session_with_a_reason(
    attack: Callable[[Mallory], Awaitable[None]],
) -> None:
    async with (
        open_endpoint(MediaSettings(source="test")) as endpoint,
        open_pair(endpoint, SessionConfig(kinds=BOTH)) as others,
    ):
        for end in (others.a, others.b):
            await end.session.attach(BOTH)
        await others.b.wait_for(FirstFrame(Kind.VIDEO), 120)
        async with attacked(endpoint) as (mallory, victim):
            await mallory.do(lambda: attack(mallory))
            await victim.wait_for(Failed, 120)
            (failed,) = victim.have(Failed)
            assert isinstance(failed, Failed)
            assert failed.why.startswith("The peer sen")
            with trio.fail_after(120):
                await victim.session.aclose()
        await _plays(others)


@pytest.mark.real
async def test_channels_that_nobody_agreed_on_are_not_opened() -> None:
    async with open_endpoint() as endpoint, attacked(endpoint) as (mallory, victim):
        heard = asyncio.Event()

        async def aio_open_many() -> None:
            mallory.pc.sctp._data_channels[0].on("message", lambda _: heard.set())
            for number in range(200):
                mallory.pc.createDataChannel(f"{number}" * 50, id=10 + number)

        async def aio_hear() -> None:
            await asyncio.wait_for(heard.wait(), 120)

        await mallory.do(aio_open_many)
        with pytest.raises(ChatUnconfirmed):  # she has it, and says nothing
            await victim.session.send_chat(Chat(text="still here"))
        await mallory.do(aio_hear)
        channels = victim.session._peer._pc.sctp._data_channels
        assert set(channels) == {0}
        assert set(victim.session._peer._pc.sctp._inbound_streams) <= {0}
        assert not victim.have(Failed)


@pytest.mark.real
async def test_what_strangers_send_to_a_port_of_a_call_is_nothing_to_it() -> None:
    """An empty packet, which anybody can send, ended the call in aiortc."""
    async with (
        open_endpoint(MediaSettings(source="test")) as endpoint,
        open_pair(endpoint, SessionConfig(kinds=BOTH)) as pair,
    ):
        for end in (pair.a, pair.b):
            await end.session.attach(BOTH)
        await pair.b.wait_for(FirstFrame(Kind.VIDEO), 120)
        stun = struct.pack("!HHL12s", 1, 8, 0x2112A442, b"t" * 12)
        odd = [b"", b"\x00", stun, stun + b"\x00\x20\x00\x04\x00\x09\x00\x00", b"\x80" * 5000]
        odd += [b"\x16\xfe\xfd" + b"\x00" * 40, b"\xc0" * 100, b"\x80\xc8" + bytes(60)]
        for session in (pair.a.session, pair.b.session):
            for candidate in session._peer._agents[0].local_candidates:
                family = socket.AF_INET6 if ":" in candidate.host else socket.AF_INET
                with socket.socket(family, socket.SOCK_DGRAM) as stranger:
                    for packet in odd * 20:
                        stranger.sendto(packet, (candidate.host, candidate.port))
        await _plays(pair)
        assert not pair.a.have(Failed)
        assert not pair.b.have(Failed)


# ── pictures ─────────────────────────────────────────────────────────────────────────────────────
def keyframe(width: int, height: int) -> bytes:
    """A small VP8 key frame that says that it is of this size."""
    data = Vp8Encoder().encode(TestPicture(320, 180).draw(1), RateControl().target, True)
    return data[:6] + struct.pack("<HH", width, height) + data[10:]


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((320, 180), True),
        ((1920, 1080), True),
        ((3840, 2160), True),
        ((4096, 2304), True),
        ((4096, 4096), False),
        ((4098, 16), False),
        ((16383, 16383), False),
        ((0, 180), False),
    ],
)
def test_the_size_of_a_picture_is_looked_at_before_it_is_decoded(
    size: tuple[int, int], shown: bool
) -> None:
    assert can_be_shown(EncodedPicture(keyframe(*size), 0, keyframe=True)) is shown


def test_a_key_frame_without_a_size_is_not_decoded() -> None:
    whole = keyframe(320, 180)
    for data in (whole[:9], whole[:3] + b"\x00" + whole[4:], b"\x00"):
        assert not can_be_shown(EncodedPicture(data, 0, keyframe=True))


async def test_huge_pictures_cost_no_memory_and_a_fitting_one_is_shown_after_them() -> None:
    """Of 16,383 x 16,383 each made the decoder take 400 MB and more."""
    shown = 0

    async def aio_play() -> VideoPlayer:
        nonlocal shown
        seen = asyncio.Event()

        def sink(frame: object) -> None:
            seen.set()

        player = VideoPlayer(sink)
        for number, size in enumerate([(16383, 16383)] * 40 + [(320, 180)]):
            data = keyframe(*size)
            packet = RtpPacket(sequence_number=number, timestamp=number * 3000, marker=1)
            packet.payload = b"\x10" + data
            packet._data = data  # type: ignore[attr-defined]
            player.add(packet)
            await asyncio.sleep(0)
        await asyncio.wait_for(seen.wait(), 120)
        await player.aio_close()
        return player

    async with open_asyncio_thread() as thread:
        await thread.run(aio_play)  # warm: the decoder is loaded
        before = _peak_mb()
        player = await thread.run(aio_play)
    assert player.refused == 40
    assert player.decoded == 1
    assert _peak_mb() - before < 50


@pytest.mark.real
async def test_huge_pictures_of_a_peer_leave_its_session_and_its_sound_alone() -> None:
    async with open_endpoint() as endpoint, attacked(endpoint) as (mallory, victim):
        huge = keyframe(16383, 16383)[:1_100]

        async def aio_send() -> None:
            for number in range(60):
                await mallory.dtls._send_rtp(rtp(mallory, "video", number, b"\x10" + huge))
                await asyncio.sleep(0.01)
            good = keyframe(320, 180)
            pieces = [good[at : at + 1_000] for at in range(0, len(good), 1_000)]
            for piece, data in enumerate(pieces):
                head = b"\x10" if piece == 0 else b"\x00"
                packet = rtp(
                    mallory,
                    "video",
                    60 + piece,
                    head + data,
                    timestamp=300_000,
                    marker=int(piece == len(pieces) - 1),
                )
                await mallory.dtls._send_rtp(packet)

        before = _peak_mb()
        await mallory.do(aio_send)
        await victim.wait_for(FirstFrame(Kind.VIDEO), 120)
        assert victim.session._peer._media.players[Kind.VIDEO].refused > 40  # type: ignore[union-attr]
        assert not victim.have(Failed)
        assert _peak_mb() - before < 80


async def test_pictures_that_wait_for_a_slow_reader_are_bounded_in_bytes() -> None:
    tap = FrameTap()
    luma = bytes(MAX_SIDE * 2_304)
    chroma = bytes(MAX_SIDE * 2_304 // 4)
    for _ in range(20):
        tap.put(VideoFrame(MAX_SIDE, 2_304, luma, chroma, chroma))
    tap.close()
    kept = [frame async for frame in tap]
    assert 1 <= len(kept) <= KEPT_BYTES // len(luma)
    assert tap.dropped == 20 - len(kept)


async def test_encoded_pictures_that_wait_for_the_decoder_are_bounded_in_bytes() -> None:
    async def aio_push() -> int:
        player = VideoPlayer(lambda frame: None)
        largest = 0
        for number in range(4_000):
            data = keyframe(320, 180) if number == 0 else b"\x01" * 1_400
            packet = RtpPacket(sequence_number=number, timestamp=3000 * (number // 500), marker=0)
            packet.marker = int(number == 0 or number % 500 == 499)
            packet.payload = (b"\x10" if number % 500 in {0, 1} else b"\x00") + data
            packet._data = data  # type: ignore[attr-defined]
            player.add(packet)
            largest = max(largest, sum(len(p.data) for p in player._waiting))
        await player.aio_close()
        return largest

    async with open_asyncio_thread() as thread:
        assert await thread.run(aio_push) <= MAX_BACKLOG_BYTES


def _peak_mb() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) // 1024
    raise AssertionError("no VmHWM: these tests run on Linux")


# ── anything at all ──────────────────────────────────────────────────────────────────────────────
def damaged(rng: random.Random, data: bytes) -> bytes:
    """The same with some bytes changed, left out or added."""
    made = bytearray(data)
    for _ in range(rng.randrange(1, 8)):
        at = rng.randrange(len(made) + 1)
        match rng.randrange(4):
            case 0 if at < len(made):
                made[at] = rng.randrange(256)
            case 1:
                del made[at:]
            case 2:
                made[at:at] = rng.randbytes(rng.randrange(40))
            case _:
                del made[at : at + rng.randrange(20)]
    return bytes(made)


@pytest.mark.real
@pytest.mark.parametrize("seed", range(4))
async def test_whatever_a_peer_seals_and_sends_its_session_ends_in_order(seed: int) -> None:
    """RTP, RTCP and data, damaged before they are sealed: each session closes as any other."""
    rng = random.Random(seed)
    async with open_endpoint() as endpoint, attacked(endpoint) as (mallory, victim):
        whole = [
            rtp(mallory, "audio", 1, b"\x78abc"),
            rtp(mallory, "video", 1, b"\x10" + keyframe(320, 180)[:900]),
            struct.pack("!BBHL", 0x80, 200, 6, 77) + bytes(20),
            struct.pack("!BBHL", 0x81, 201, 7, 77) + bytes(24),
            struct.pack("!BBHLL", 0x81, 205, 3, 77, 78) + bytes(4),
            struct.pack("!BBHLL", 0x8F, 206, 5, 77, 78) + b"REMB" + bytes(8),
            struct.pack("!BBHL", 0x81, 203, 1, 77),
        ]
        chunks = [struct.pack("!BBH", kind, 3, 20) + bytes(16) for kind in (0, 3, 4, 9, 130, 192)]

        async def aio_send() -> None:
            for _ in range(150):
                with contextlib.suppress(ConnectionError, pylibsrtp.Error):
                    packet = damaged(rng, rng.choice(whole))
                    if len(packet) >= 12 and packet[0] >> 6 == 2:
                        await mallory.dtls._send_rtp(packet)
                    body = damaged(rng, rng.choice(chunks))
                    await mallory.dtls._send_data(sctp_packet(mallory, body))
                await asyncio.sleep(0)

        await mallory.do(aio_send)
        with trio.fail_after(120):
            await victim.session.aclose()
        assert all("peer" in failed.why for failed in victim.have(Failed))


async def test_damaged_pictures_and_sounds_never_stop_the_players() -> None:
    rng = random.Random(15)
    faults = []

    async def aio_play() -> tuple[int, int]:
        seen = asyncio.Event()
        video = VideoPlayer(lambda _: seen.set(), float, lambda: faults.append("picture"))
        audio = AudioPlayer(lambda _samples, _concealed: None, lambda: faults.append("sound"))
        encoder, sound = Vp8Encoder(), OpusEncoder()
        for number in range(300):
            picture = TestPicture(320, 180).draw(number)
            data = encoder.encode(picture, RateControl().target, number % 5 == 0)
            if number < 290:
                data = damaged(rng, data)
            packet = RtpPacket(sequence_number=number, timestamp=number * 3000, marker=1)
            packet.payload, packet._data = b"\x10" + data, data  # type: ignore[attr-defined]
            video.add(packet)
            samples = audio_frame(rng.randbytes(1920))
            packet = RtpPacket(sequence_number=number, timestamp=number * 960, marker=1)
            packet.payload = damaged(rng, sound.encode(samples, 32_000))
            audio.add(packet)
            await asyncio.sleep(0.002)
        await asyncio.wait_for(seen.wait(), 120)
        await video.aio_close()
        await audio.aio_close()
        return video.decoded, audio.decoded

    async with open_asyncio_thread() as thread:
        pictures, sounds = await thread.run(aio_play)
    assert pictures
    assert sounds
    assert not faults
