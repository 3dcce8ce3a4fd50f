"""Calls over bad paths."""

from __future__ import annotations

import pytest
import trio

from onmeet_node.media.endpoint import Connected, FirstFrame, SessionConfig, StreamStats
from onmeet_node.media.engine.endpoint import AiortcEndpoint
from onmeet_node.protocol.wire.messages import Kind
from tests.media.support import AUDIO, BOTH, Pair, Shape, open_lossy_path, open_pair

pytestmark = pytest.mark.real


async def stream(pair: Pair, kind: Kind) -> StreamStats:
    stats = await pair.b.session.stats()
    return next(s for s in stats.streams if s.kind is kind)


async def test_at_five_percent_loss_47_of_50_frames_are_played_without_lasting_delay(
    endpoint: AiortcEndpoint,
) -> None:
    """aiortc's own jitter buffer plays 37 of 50 here and stays 200 ms late."""
    shape = Shape(delay=0.02)
    async with (
        open_lossy_path(shape) as path,
        open_pair(endpoint, SessionConfig(AUDIO), over=path.rewrite) as pair,
    ):
        await pair.a.wait_for(Connected)
        await pair.a.session.attach(AUDIO)
        await pair.b.wait_for(FirstFrame(Kind.AUDIO))
        shape.loss = 0.05
        before, begin = await stream(pair, Kind.AUDIO), trio.current_time()
        await trio.sleep(5)
        after, seconds = await stream(pair, Kind.AUDIO), trio.current_time() - begin
        player = pair.b.session._peer._media.players[Kind.AUDIO]
    decoded = after.frames_decoded - before.frames_decoded
    concealed = after.frames_concealed - before.frames_concealed
    arrived = after.packets_received - before.packets_received
    assert (decoded + concealed) / seconds > 49
    assert decoded >= arrived - 8, "packets that arrived were not played"
    assert decoded / seconds > 50 * 0.95 - 2.5
    assert player.delay < 0.15, "a busy machine is late as well, but not by as much as that"


@pytest.mark.parametrize("rate", [700_000, 300_000])
async def test_a_narrow_link_carries_smooth_audio_and_a_picture(
    endpoint: AiortcEndpoint, rate: int
) -> None:
    """aiortc's own rate control collapses at 700 kbit/s: 7 pictures and 9 audio frames a second."""
    async with (
        open_lossy_path(Shape(delay=0.02, rate=rate)) as path,
        open_pair(endpoint, SessionConfig(BOTH), over=path.rewrite) as pair,
    ):
        await pair.a.wait_for(Connected)
        await pair.a.session.attach(BOTH)
        await pair.b.wait_for(FirstFrame(Kind.VIDEO))
        await trio.sleep(3)
        before = [await stream(pair, kind) for kind in (Kind.AUDIO, Kind.VIDEO)]
        begin = trio.current_time()
        await trio.sleep(3)
        after = [await stream(pair, kind) for kind in (Kind.AUDIO, Kind.VIDEO)]
        seconds = trio.current_time() - begin
    audio_rate, video_rate = (
        (new.frames_decoded - old.frames_decoded) / seconds
        for new, old in zip(after, before, strict=True)
    )
    assert audio_rate > 45
    assert video_rate > 12


async def test_a_picture_lost_on_the_way_is_back_within_a_second(endpoint: AiortcEndpoint) -> None:
    shape = Shape(delay=0.02)
    async with (
        open_lossy_path(shape) as path,
        open_pair(endpoint, SessionConfig(BOTH), over=path.rewrite) as pair,
    ):
        await pair.a.wait_for(Connected)
        await pair.a.session.attach(BOTH)
        await pair.b.wait_for(FirstFrame(Kind.VIDEO))
        shape.loss = 1.0
        await trio.sleep(1.0)
        shape.loss = 0.0
        await trio.sleep(1.0)
        before = (await stream(pair, Kind.VIDEO)).frames_decoded
        await trio.sleep(1.0)
        assert (await stream(pair, Kind.VIDEO)).frames_decoded - before > 5
