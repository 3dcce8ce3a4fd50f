"""Recordings, pictures, programs' frames, and files as sources."""

from __future__ import annotations

import array
import asyncio
import math
import wave
from pathlib import Path

import av
import pytest
import trio

from onmeet_node.media.endpoint import Connected, FirstFrame, SessionConfig
from onmeet_node.media.engine.endpoint import AiortcEndpoint, MediaSettings, open_endpoint
from onmeet_node.media.engine.recording import Recorder
from onmeet_node.media.engine.sinks import copy_picture
from onmeet_node.media.engine.sources import audio_frame
from onmeet_node.media.engine.test_picture import TestPicture, read_counter
from onmeet_node.media.errors import SourceUnavailable
from onmeet_node.media.frames import AudioFrame, FrameFeed, FrameTap
from onmeet_node.protocol.wire.messages import Kind
from tests.media.support import AUDIO, BOTH, open_pair, recorded

pytestmark = pytest.mark.real


@pytest.mark.parametrize("size", [(640, 360), (426, 240), (320, 180), (1280, 720)])
def test_the_counter_survives_scaling(size: tuple[int, int]) -> None:
    for number in (0, 1, 77_777, (1 << 18) - 1):
        frame = TestPicture().draw(number).reformat(width=size[0], height=size[1])
        assert read_counter(frame) == number
        assert read_counter(copy_picture(frame)) == number


def test_a_picture_without_counter_is_not_misread() -> None:
    frame = av.VideoFrame(640, 360, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    assert read_counter(frame) is None


async def call(endpoint: AiortcEndpoint, record: Path, picture: Path | None = None) -> None:
    other = SessionConfig(BOTH, record=record, picture=picture)
    async with open_pair(endpoint, SessionConfig(BOTH), other=other) as pair:
        await pair.a.wait_for(Connected)
        await pair.a.session.attach(BOTH)
        await pair.b.wait_for(FirstFrame(Kind.VIDEO))
        await trio.sleep(1.5)
    await recorded()


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".wav"])
async def test_a_recording_holds_what_arrived(
    endpoint: AiortcEndpoint, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"call{suffix}"
    await call(endpoint, path)
    with av.open(str(path)) as recording:
        kinds = {stream.type for stream in recording.streams}
        assert kinds == ({"audio"} if suffix == ".wav" else {"audio", "video"})
        seconds, pictures, loudest = 0.0, [], 0
        for frame in recording.decode():
            if isinstance(frame, av.VideoFrame):
                pictures.append(read_counter(frame))
            elif isinstance(frame, av.AudioFrame):
                seconds += frame.samples / frame.sample_rate
                loudest = max(loudest, *abs_peak(frame))
    assert seconds > 1.0
    assert loudest > 4000
    if suffix != ".wav":
        assert len(pictures) > 7  # of a machine that is busy; it sent 45
        assert None not in pictures[5:]


def abs_peak(frame: av.AudioFrame) -> tuple[int, int]:
    resampled = av.AudioResampler("s16", "mono", 48_000).resample(frame)
    data = array.array("h", b"".join(bytes(f.planes[0])[: f.samples * 2] for f in resampled))
    return max(data, default=0), -min(data, default=0)


async def test_a_recording_goes_on_over_a_media_re_offer(
    endpoint: AiortcEndpoint, tmp_path: Path
) -> None:
    path = tmp_path / "call.wav"
    other = SessionConfig(AUDIO, record=path)
    async with open_pair(endpoint, SessionConfig(AUDIO), other=other) as first:
        await first.a.wait_for(Connected)
        await first.a.session.attach(AUDIO)
        await first.b.wait_for(FirstFrame(Kind.AUDIO))
        await trio.sleep(0.4)
        async with open_pair(endpoint, SessionConfig(AUDIO), other=other) as second:
            await second.a.wait_for(Connected)
            await first.a.session.aclose()
            await first.b.session.aclose()
            await second.a.session.attach(AUDIO)
            await second.b.wait_for(FirstFrame(Kind.AUDIO))
            await trio.sleep(0.4)
    with wave.open(str(path)) as file:
        assert file.getnframes() / 48_000 > 0.7
    assert list(tmp_path.iterdir()) == [path]


async def test_a_recording_never_overwrites_another(
    endpoint: AiortcEndpoint, tmp_path: Path
) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(b"precious")
    other = SessionConfig(AUDIO, record=path)
    async with open_pair(endpoint, SessionConfig(AUDIO), other=other) as pair:
        await pair.a.wait_for(Connected)
        await pair.a.session.attach(AUDIO)
        await pair.b.wait_for(FirstFrame(Kind.AUDIO))
    assert path.read_bytes() == b"precious"
    assert (tmp_path / "call-2.wav").stat().st_size > 1_000


async def test_a_call_where_nothing_arrived_leaves_no_file(
    endpoint: AiortcEndpoint, tmp_path: Path
) -> None:
    path = tmp_path / "call.mp4"
    other = SessionConfig(AUDIO, record=path)
    async with open_pair(endpoint, SessionConfig(AUDIO), other=other) as pair:
        await pair.a.wait_for(Connected)
    assert not path.exists()


async def test_the_first_decoded_picture_is_saved(endpoint: AiortcEndpoint, tmp_path: Path) -> None:
    path = tmp_path / "first.png"
    await call(endpoint, tmp_path / "x.wav", picture=path)
    assert path.read_bytes().startswith(b"\x89PNG")
    with av.open(str(path)) as opened:
        frame = next(opened.decode(video=0))
    assert read_counter(frame.reformat(format="yuv420p")) is not None


async def test_a_file_is_a_source(endpoint: AiortcEndpoint, tmp_path: Path) -> None:
    """What was recorded in one call is the greeting of the next."""
    greeting = tmp_path / "greeting.mp4"
    await call(endpoint, greeting)
    tap = FrameTap(frozenset({Kind.VIDEO}))
    config = SessionConfig(BOTH, source=str(greeting))
    async with open_pair(endpoint, config, other=SessionConfig(BOTH, tap=tap)) as pair:
        await pair.a.wait_for(Connected)
        await pair.a.session.attach(BOTH)
        await pair.b.wait_for(FirstFrame(Kind.AUDIO))
        await pair.b.wait_for(FirstFrame(Kind.VIDEO))


async def test_a_program_sends_and_gets_frames(endpoint: AiortcEndpoint) -> None:
    """An echo: what B hears it sends back, and A hears its own tone."""
    heard_by_a, heard_by_b, answer = FrameTap(AUDIO), FrameTap(AUDIO), FrameFeed()
    config = SessionConfig(AUDIO, source="test", tap=heard_by_a)
    other = SessionConfig(AUDIO, source=answer, tap=heard_by_b)
    async with open_pair(endpoint, config, other=other) as pair:
        await pair.a.wait_for(Connected)
        await pair.a.session.attach(AUDIO)
        await pair.b.session.attach(AUDIO)

        async def echo() -> None:
            async for frame in heard_by_b:
                answer.send(frame)

        pair.nursery.start_soon(echo)
        loud = 0
        with trio.fail_after(5):
            async for frame in heard_by_a:
                assert isinstance(frame, AudioFrame)
                loud += max(array.array("h", frame.samples)) > 4000
                if loud > 10:
                    break


async def test_a_tap_goes_on_over_a_media_re_offer_and_ends_with_the_call(
    endpoint: AiortcEndpoint,
) -> None:
    tap = FrameTap(AUDIO)
    other = SessionConfig(AUDIO, tap=tap)
    async with open_pair(endpoint, SessionConfig(AUDIO), other=other) as first:
        await first.a.wait_for(Connected)
        async with open_pair(endpoint, SessionConfig(AUDIO), other=other) as second:
            await second.a.wait_for(Connected)
            await first.b.session.aclose()
            await second.a.session.attach(AUDIO)
            with trio.fail_after(5):
                assert isinstance(await anext(aiter(tap)), AudioFrame)
    with trio.fail_after(2):
        async for _ in tap:
            pass


async def test_odd_sounds_are_sent_as_they_are(endpoint: AiortcEndpoint, tmp_path: Path) -> None:
    """A file with another rate and two channels is converted."""
    path = tmp_path / "beep.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(22_050)
        tone = (int(20_000 * math.sin(n / 8)) for n in range(22_050))
        file.writeframes(array.array("h", (v for t in tone for v in (t, t))).tobytes())
    tap = FrameTap(AUDIO)
    config = SessionConfig(AUDIO, source=str(path))
    async with open_pair(endpoint, config, other=SessionConfig(AUDIO, tap=tap)) as pair:
        await pair.a.wait_for(Connected)
        await pair.a.session.attach(AUDIO)
        with trio.fail_after(5):
            async for frame in tap:
                assert isinstance(frame, AudioFrame)
                if max(array.array("h", frame.samples)) > 10_000:
                    break


@pytest.mark.skipif(Path("/dev/video0").exists(), reason="there is a camera")
async def test_a_missing_camera_is_explained() -> None:
    async with open_endpoint(MediaSettings(source="devices")) as endpoint:
        session = await endpoint.open_session(SessionConfig(BOTH))
        with pytest.raises(SourceUnavailable, match=r"could not be opened.*Plug one in"):
            await session.attach(frozenset({Kind.VIDEO}))
        await session.aclose()


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".webm"])
async def test_a_picture_of_an_odd_size_is_recorded_in_every_format(tmp_path, suffix):
    path = tmp_path / f"call{suffix}"
    recorder = Recorder(path, frozenset(Kind))
    for number in range(10):
        recorder.put(av.VideoFrame(641, 361, "yuv420p"), number / 30)
        recorder.put(audio_frame(bytes(1920)), number / 50)
    await trio.to_thread.run_sync(lambda: asyncio.run(recorder.aio_close()))
    await recorded()
    assert recorder.trouble is None
    with av.open(str(path)) as container:
        kinds = {stream.type: stream for stream in container.streams}
        assert set(kinds) == {"audio", "video"}
        assert kinds["video"].frames or sum(1 for _ in container.decode(video=0)) >= 10
