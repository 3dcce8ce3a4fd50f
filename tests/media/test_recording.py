"""What is in a recording: pictures that grow, turn and come late, up to a crash or a full disk."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
import trio

from onmeet_node.cli.calls import answer_command, call_command
from onmeet_node.cli.guests import join_command
from onmeet_node.media.endpoint import Connected, FirstFrame, RecorderStopped, SessionConfig
from onmeet_node.media.engine.endpoint import AiortcEndpoint, AiortcSession
from onmeet_node.media.engine.recording import Recorder, Recorders
from onmeet_node.media.engine.recording_formats import FORMATS, check_recording
from onmeet_node.media.engine.sources import audio_frame
from onmeet_node.media.engine.test_picture import TestPicture
from onmeet_node.media.errors import SinkUnavailable
from onmeet_node.protocol.wire.messages import Kind
from tests import disks
from tests.media.support import AUDIO, BOTH, open_pair, recorded, run_asyncio, shown

pytestmark = pytest.mark.real

SUFFIXES = sorted(FORMATS)
WITH_PICTURE = [suffix for suffix in SUFFIXES if Kind.VIDEO in FORMATS[suffix].codecs]


class Sender:
    """Somebody whose media comes as fast as it is written, each at its time."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._picture = TestPicture()
        self.at = 0.0
        self.sent: dict[int, tuple[float, tuple[int, int]]] = {}
        """Of each picture, its number: when it was played, and its size."""

    def sends(self, seconds: float, size: tuple[int, int] | None = None, *, rate: int = 5) -> None:
        """Sound, and if they have a size `rate` pictures a second."""
        for tick in range(round(seconds * 50)):
            if self._recorder.trouble is not None:
                return
            at = self.at + tick / 50
            self._recorder.put(audio_frame(os.urandom(1920)), at)
            if size is not None and tick % (50 // rate) == 0:
                number = 1 + len(self.sent)
                self.sent[number] = (at, size)
                self._recorder.put(self._picture.draw(number).reformat(*size), at)
            self._written()
        self.at += seconds

    def _written(self) -> None:
        deadline = time.monotonic() + 60
        while self._recorder.trouble is None and self._recorder._queue.qsize() > 50:
            assert time.monotonic() < deadline, "the recorder stands still"
            time.sleep(0.001)


def close(recorder: Recorder) -> None:
    run_asyncio(recorder.aio_close())
    recorder._thread.join(60)
    assert not recorder._thread.is_alive()


def corner(frame: av.VideoFrame) -> int:
    """How bright the recording is at its edge: 16 is black."""
    return bytes(frame.reformat(format="gray").planes[0])[0]


def pictures(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def sound(path: Path) -> float:
    """Seconds of sound that can be heard, whatever the file's end is like."""
    seconds = 0.0
    with av.open(str(path)) as container:
        try:
            for frame in container.decode(audio=0):
                seconds += frame.samples / frame.sample_rate
        except av.FFmpegError:
            pass  # the last piece is torn
    return seconds


@pytest.mark.parametrize("suffix", WITH_PICTURE)
def test_a_picture_that_grows_shrinks_and_turns_is_whole_and_upright(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"call{suffix}"
    recorder = Recorder(path, BOTH)
    sender = Sender(recorder)
    for size in ((320, 180), (1280, 720), (360, 640), (640, 480), (640, 360)):
        sender.sends(0.2, size, rate=25)
    close(recorder)
    assert recorder.trouble is None
    frames = pictures(path)
    assert {(frame.width, frame.height) for frame in frames} == {(1280, 720)}
    seen = set()
    for frame in frames:
        near = (size for at, size in sender.sent.values() if abs(at - frame.time) < 0.1)
        for size in dict.fromkeys(near):
            at, sent = sender.sent.get(shown(frame, size) or 0, (-1.0, None))
            if sent == size and abs(frame.time - at) < 0.1:
                seen.add(size)
                fills = size[0] / size[1] == pytest.approx(16 / 9)
                assert fills or corner(frame) < 30, "bars beside it"
    assert seen == {size for _, size in sender.sent.values()}


@pytest.mark.parametrize("suffix", WITH_PICTURE)
def test_who_stands_upright_from_the_start_has_an_upright_recording(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"call{suffix}"
    recorder = Recorder(path, BOTH)
    Sender(recorder).sends(0.2, (360, 640), rate=25)
    close(recorder)
    frames = pictures(path)
    assert (frames[0].width, frames[0].height) == (720, 1280)
    assert shown(frames[-1], (360, 640)) is not None


@pytest.mark.parametrize("suffix", WITH_PICTURE)
def test_a_picture_that_begins_long_after_the_sound_is_there_and_black_before(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"call{suffix}"
    recorder = Recorder(path, BOTH)
    sender = Sender(recorder)
    sender.sends(40)
    kept = path.stat().st_size
    sender.sends(0.4, (640, 360), rate=25)
    sender.sends(5)
    close(recorder)
    assert kept > 40 * 2_000, "what is heard is written before there is a picture"
    before, numbers = [], []
    for frame in pictures(path):
        number = shown(frame, (640, 360))
        if frame.time < 39.5:
            before.append(number is None and corner(frame) < 30)
        elif number is not None:
            numbers.append((number, frame.time))
    assert all(before)
    assert 35 <= len(before) <= 45
    first, at = numbers[0]
    assert at == pytest.approx(sender.sent[first][0], abs=0.1)
    last, end = numbers[-1]
    assert last == max(sender.sent), "what stops stays"
    assert end > 43
    assert sound(path) == pytest.approx(45.4, abs=0.3)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_killed_process_leaves_a_recording_that_plays(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"call{suffix}"
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.media.test_recording", str(path)], stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == b"all is written"
        child.send_signal(signal.SIGKILL)
        assert child.wait(60) == -signal.SIGKILL
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    assert sound(path) > CHILD_SECONDS - 2.5
    if suffix in WITH_PICTURE:
        frames = pictures(path)
        assert frames[-1].time > CHILD_SECONDS - 2.5
        assert shown(frames[-1], (640, 360)) is not None


CHILD_SECONDS = 8


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with disks.small(tmp_path / "disk", "2200k", busy=True) as place:
        yield place


@pytest.mark.parametrize("gradually", [True, False], ids=["by us", "by others, at once"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_disk_that_gets_full_ends_the_recording_which_plays_up_to_then(
    small_disk: Path, suffix: str, gradually: bool
) -> None:
    path = small_disk / f"call{suffix}"
    recorder = Recorder(path, BOTH)
    sender = Sender(recorder)
    sender.sends(5, (640, 360))
    if not gradually:
        with (small_disk / "others").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1024))
            except OSError:
                pass
    for _ in range(60):
        sender.sends(5, (640, 360))
    told = recorder.take_trouble()
    assert told == (
        f"The recording {path.name} stopped: the disk is full. Free some space. "
        "What was recorded until then is kept. The call goes on."
    )
    assert recorder.take_trouble() is None, "told once"
    close(recorder)
    assert sound(path) > 3.5
    if gradually:
        assert sound(path) > sender.at - 6
        if suffix == ".mp4":
            with av.open(str(path)) as container:
                assert container.duration is not None
    with pytest.raises(SinkUnavailable, match="full"):
        check_recording(path)


async def test_who_records_on_a_full_disk_is_told_and_the_call_goes_on(
    endpoint: AiortcEndpoint, small_disk: Path
) -> None:
    other = SessionConfig(AUDIO, record=small_disk / "call.wav")
    async with open_pair(endpoint, SessionConfig(AUDIO), other=other) as pair:
        await pair.a.wait_for(Connected)
        await pair.a.session.attach(AUDIO)
        await pair.b.wait_for(FirstFrame(Kind.AUDIO))
        (small_disk / "others").write_bytes(bytes(1_700_000))
        await pair.b.wait_for(RecorderStopped, 60)
        before = await decoded(pair.b.session)
        with trio.fail_after(60):
            while await decoded(pair.b.session) < before + 25:  # noqa: ASYNC110 - a counter
                await trio.sleep(0.02)
    await recorded()
    assert len(pair.b.have(RecorderStopped)) == 1
    assert sound(small_disk / "call.wav") > 0


async def decoded(session: AiortcSession) -> int:
    return (await session.stats()).streams[0].frames_decoded


async def test_a_call_that_gets_a_picture_only_later_goes_on_in_a_second_file(
    tmp_path: Path,
) -> None:
    recorders, path = Recorders(), tmp_path / "call.mp4"
    first = recorders.take(path, AUDIO)
    Sender(first).sends(0.2)
    with trio.fail_after(60):
        while not path.exists():  # noqa: ASYNC110 - its thread has no event for us
            await trio.sleep(0.01)
    second = recorders.take(path, BOTH)
    assert second is not first
    assert recorders.take(path, AUDIO) is first
    Sender(second).sends(0.2, (640, 360), rate=25)

    async def release_all() -> None:
        for recorder in (first, second, first):
            await recorders.aio_release(path, recorder)

    await trio.to_thread.run_sync(asyncio.run, release_all())
    await recorded()
    assert sound(path) > 0.1
    assert shown(pictures(tmp_path / "call-2.mp4")[-1], (640, 360)) is not None


async def test_a_browser_is_not_asked_to_send_a_picture_that_we_would_have_to_turn(
    endpoint: AiortcEndpoint,
) -> None:
    """Without the extension in the answer it turns the picture itself, as RFC 7742 has it."""
    turned = "a=extmap:13 urn:3gpp:video-orientation\r\n"
    async with open_pair(endpoint, SessionConfig(BOTH)) as pair:
        session = await endpoint.open_session(SessionConfig(BOTH))
        offering = await endpoint.open_session(SessionConfig(BOTH))
        offer = await offering.create_offer()
        assert "a=mid:1\r\n" in offer
        answer = await session.accept_offer(offer.replace("a=mid:1\r\n", f"a=mid:1\r\n{turned}"))
        await session.aclose()
        await offering.aclose()
    assert "video-orientation" not in answer
    assert pair.a is not None


def test_help_and_errors_name_the_formats_that_work(tmp_path: Path) -> None:
    with pytest.raises(SinkUnavailable) as refused:
        check_recording(tmp_path / "call.avi")
    options = [
        option
        for command in (join_command, call_command, answer_command)
        for option in command.params
        if option.name == "record"
    ]
    assert len(options) == 3
    for suffix in SUFFIXES:
        Recorder(tmp_path / f"call{suffix}", BOTH)._queue.put(None)
        assert suffix in str(refused.value)
        assert all(suffix in option.help for option in options)


if __name__ == "__main__":
    running = Recorder(Path(sys.argv[1]), BOTH)
    Sender(running).sends(CHILD_SECONDS, (640, 360))
    while not running._queue.empty():
        time.sleep(0.01)
    print("all is written", flush=True)
    time.sleep(600)
