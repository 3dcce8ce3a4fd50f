"""What becomes of arriving packets around the end of a session."""

from __future__ import annotations

import asyncio
import threading
import time

import av
from aiortc.rtp import RtpPacket

from onmeet_node.media.engine.asyncio_thread import open_asyncio_thread
from onmeet_node.media.engine.encoders import Vp8Encoder
from onmeet_node.media.engine.rate_control import RateControl
from onmeet_node.media.engine.receivers import AudioPlayer, VideoPlayer
from onmeet_node.media.engine.test_picture import TestPicture


def packet(number: int) -> RtpPacket:
    """A key frame in one packet."""
    data = Vp8Encoder().encode(TestPicture(320, 180).draw(number), RateControl().target, True)
    made = RtpPacket(sequence_number=number, timestamp=number * 3000, marker=1)
    made.payload = b"\x10" + data
    made._data = data  # type: ignore[attr-defined]
    return made


async def test_two_pictures_are_never_in_the_decoder_at_once() -> None:
    """libvpx crashes the process; it happened when a session closed under load."""
    inside = 0
    most = 0
    lock = threading.Lock()

    class Slow(VideoPlayer):
        def _decode(self, picture: object) -> list[av.VideoFrame]:
            nonlocal inside, most
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.05)
            with lock:
                inside -= 1
            return []

    async def aio_close_in_the_middle() -> None:
        player = Slow(lambda frame: None)
        player.add(packet(1))
        await asyncio.sleep(0.01)
        closing = asyncio.ensure_future(player.aio_close())
        for number in range(2, 6):
            await asyncio.sleep(0)
            player.add(packet(number))
        await closing
        player.add(packet(7))
        await asyncio.sleep(0.12)

    async with open_asyncio_thread() as thread:
        await thread.run(aio_close_in_the_middle)
    assert most == 1


async def test_audio_that_comes_after_closing_starts_nothing() -> None:
    async def aio_late() -> int:
        player = AudioPlayer(lambda _samples, _concealed: None)
        await player.aio_close()
        late = RtpPacket(sequence_number=1, timestamp=960)
        late.payload = bytes([0x78, 1, 2])
        player.add(late)
        return len(asyncio.all_tasks())

    async with open_asyncio_thread() as thread:
        assert await thread.run(aio_late) == 2  # the thread's own and this one
