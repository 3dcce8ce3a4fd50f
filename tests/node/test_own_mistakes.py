"""A file, device or directory that cannot be used is told as that, and rings nobody."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import ANY

import av
import pytest
import trio

from onmeet_node.calls.options import CallOptions
from onmeet_node.media.errors import MediaError
from onmeet_node.protocol.call.effects import EndReason, State
from onmeet_node.protocol.call.errors import CallRefused
from onmeet_node.protocol.wire.messages import Kind
from tests.node.conftest import Start, befriend, code_of, connected, ended, told, until

pytestmark = pytest.mark.real


def sound_alone(path: Path) -> Path:
    """A media file without a picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48_000, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=960)
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def wishes(place: Path) -> list[CallOptions]:
    """What cannot be, one each."""
    (place / "text.mp4").write_text("no media")
    (place / "file").write_text("no directory")
    return [
        CallOptions(source=str(place / "missing.mp4")),
        CallOptions(source=str(place)),
        CallOptions(source=str(place / "text.mp4")),
        CallOptions(source=str(sound_alone(place / "sound.wav"))),
        CallOptions(record=place / "call.avi"),
        CallOptions(record=place / "missing" / "call.mp4"),
        CallOptions(record=place / "file" / "call.mp4"),
    ]


async def test_a_source_or_recording_that_cannot_be_rings_nobody(
    start: Start, tmp_path: Path
) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    code = await code_of(bob)
    async with bob.incoming() as ringing:
        for wish in wishes(tmp_path):
            with pytest.raises(MediaError):
                async with alice.call(code, wish=wish):
                    pytest.fail("it rings")
        async with alice.call(code, kinds=frozenset({Kind.AUDIO})) as call:
            with trio.fail_after(60):
                assert (await ringing.receive()).id == call.id  # the first that rang at all
    assert len(alice.history.list(10)) == 1


async def test_a_call_that_is_to_be_taken_with_what_cannot_be_rings_on(
    start: Start, tmp_path: Path
) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    code = await code_of(bob)
    async with bob.incoming() as ringing, alice.call(code) as call:
        with trio.fail_after(60):
            theirs = await ringing.receive()
        for wish in wishes(tmp_path):
            with pytest.raises(MediaError):
                await bob.check_media(theirs.kinds, wish)
        theirs.accept()
        await connected(call)


async def test_the_end_of_a_played_file_is_told_once_and_the_call_goes_on(
    start: Start, tmp_path: Path
) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    code, sound = await code_of(bob), frozenset({Kind.AUDIO})
    wish = CallOptions(source=str(sound_alone(tmp_path / "sound.wav")))
    with alice.watch() as events:
        async with bob.incoming() as ringing, alice.call(code, kinds=sound, wish=wish) as call:
            (await ringing.receive()).accept()
            await connected(call)
            assert await told(events, "source-ended") == {
                "t": ANY,
                "event": "source-ended",
                "call": call.id.hex(),
                "kind": "audio",
            }
            assert call.state is State.CONNECTED
        await ended(call)
        rest = [events.receive_nowait() for _ in range(events.statistics().current_buffer_used)]
    assert "source-ended" not in {event.name for event in rest}


async def test_a_call_taken_with_nothing_is_not_taken_and_sends_nothing(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    code = await code_of(bob)
    async with bob.incoming() as ringing, alice.call(code) as call:
        with trio.fail_after(60):
            theirs = await ringing.receive()
        before = theirs.wish
        with pytest.raises(CallRefused, match="at least one kind"):
            theirs.accept(frozenset(), CallOptions(relay_only=True))
        assert theirs.state is State.RINGING_IN
        assert theirs.wish == before
        theirs.accept(frozenset({Kind.AUDIO}))
        await connected(call)


async def test_a_file_that_is_gone_when_the_call_is_answered_is_what_both_are_told_of(
    start: Start, tmp_path: Path
) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    source = sound_alone(tmp_path / "sound.wav")
    wish = CallOptions(source=str(source))
    sound = frozenset({Kind.AUDIO})
    async with bob.incoming() as ringing, alice.call("Bob", kinds=sound, wish=wish) as call:
        with trio.fail_after(60):
            theirs = await ringing.receive()
        source.unlink()
        theirs.accept()
        assert await ended(call) is EndReason.FAULT
        assert await ended(theirs) is EndReason.FAULT
    assert call.trouble is not None
    assert str(source) in call.trouble
    await until(lambda: bool(alice.history.list(1)), "it is written down")
    told = alice.history.list(1)[0].sentence
    assert "on this machine" in told
    assert str(source) in told
    other = bob.history.list(1)[0].sentence
    assert "STUN" not in told + other
    assert str(source) not in other
