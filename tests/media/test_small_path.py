"""A path that takes packets of 1,280 bytes and tells nobody of larger ones: WireGuard, mobile."""

from __future__ import annotations

from fractions import Fraction

import av
import pytest
import trio
from aiortc.codecs.vpx import Vp8Encoder

from onmeet_node.media.endpoint import ChatReceived, FirstFrame, SessionConfig
from onmeet_node.media.engine.endpoint import AiortcEndpoint
from onmeet_node.media.engine.packing import MAX_PAYLOAD_BYTES, Vp8Packer
from onmeet_node.protocol.wire.messages import Chat, Kind
from tests.media.support import BOTH, Shape, open_lossy_path, open_pair

SECONDS = 60
IPV6_AND_UDP = 48


@pytest.mark.real
async def test_picture_sound_and_long_chat_arrive_over_it(endpoint: AiortcEndpoint) -> None:
    shape = Shape(largest=1_280 - IPV6_AND_UDP)
    async with (
        open_lossy_path(shape) as path,
        open_pair(endpoint, SessionConfig(BOTH), over=path.rewrite) as pair,
    ):
        for end in (pair.a, pair.b):
            await end.session.attach(BOTH)
        for end in (pair.a, pair.b):
            await end.wait_for(FirstFrame(Kind.AUDIO), SECONDS)
            await end.wait_for(FirstFrame(Kind.VIDEO), SECONDS)
        line = Chat(text="x" * 3_900, number=1)
        with trio.fail_after(SECONDS):
            await pair.a.session.send_chat(line)
        await pair.b.wait_for(ChatReceived(line), SECONDS)
        assert path.too_large == 0


def test_a_picture_cut_into_packets_is_as_aiortc_cuts_it_but_smaller() -> None:
    packet: av.Packet[object] = av.Packet(bytes(range(256)) * 20)
    packet.pts, packet.time_base = 4_500, Fraction(1, 90_000)
    ours, timestamp = Vp8Packer().pack(packet)
    theirs, expected = Vp8Encoder().pack(packet)
    assert timestamp == expected
    assert max(map(len, ours)) <= MAX_PAYLOAD_BYTES < max(map(len, theirs))
    head = 4  # RFC 7741: with a picture id of 15 bits
    assert b"".join(part[head:] for part in ours) == bytes(packet)
    assert [part[0] for part in ours] == [theirs[0][0], *[theirs[1][0]] * (len(ours) - 1)]
