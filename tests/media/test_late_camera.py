"""A camera that is turned on in a voice call: a headless node receives it."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
import trio

from onmeet_node.media.endpoint import Connected, FirstFrame, SessionConfig
from onmeet_node.media.engine.endpoint import AiortcEndpoint
from onmeet_node.protocol.wire.messages import Kind
from tests.media.support import AUDIO, BOTH, open_pair, recorded

pytestmark = pytest.mark.real


def streams(path: Path) -> set[str]:
    with av.open(str(path)) as file:
        return {stream.type for stream in file.streams}


@pytest.mark.parametrize("caller", ["page", "node"])
async def test_a_camera_turned_on_later_is_received_counted_and_recorded(
    endpoint: AiortcEndpoint, tmp_path: Path, caller: str
) -> None:
    """As a page does: it has a picture in every call, and sends it when the camera is on."""
    path = tmp_path / "call.mkv"
    page, voice = SessionConfig(BOTH), SessionConfig(AUDIO, record=path)
    offers, answers = (page, voice) if caller == "page" else (voice, page)
    async with open_pair(endpoint, offers, other=answers) as pair:
        if caller == "node":
            pair.a, pair.b = pair.b, pair.a
        await pair.a.wait_for(Connected)
        await pair.a.session.attach(AUDIO)
        await pair.b.session.attach(AUDIO)
        await pair.b.wait_for(FirstFrame(Kind.AUDIO), 30)
        assert FirstFrame(Kind.VIDEO) not in pair.b.seen
        assert [one.kind for one in (await pair.b.session.stats()).streams] == [Kind.AUDIO]

        await pair.a.session.attach(frozenset({Kind.VIDEO}))
        await pair.b.wait_for(FirstFrame(Kind.VIDEO), 30)
        with trio.fail_after(30):
            while True:
                found = {one.kind: one for one in (await pair.b.session.stats()).streams}
                if found[Kind.VIDEO].frames_decoded > 5:
                    break
                await trio.sleep(0.1)
        assert found[Kind.VIDEO].frames_sent == 0
        assert (found[Kind.VIDEO].width or 0) > 0
    await recorded()
    first, second = sorted(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert {first.name, second.name} == {"call.mkv", "call-2.mkv"}
    assert streams(tmp_path / "call.mkv") == {"audio"}
    assert streams(tmp_path / "call-2.mkv") == {"audio", "video"}


async def test_a_format_without_pictures_goes_on_in_its_one_file(
    endpoint: AiortcEndpoint, tmp_path: Path
) -> None:
    voice = SessionConfig(AUDIO, record=tmp_path / "call.wav")
    async with open_pair(endpoint, SessionConfig(BOTH), other=voice) as pair:
        await pair.a.wait_for(Connected)
        await pair.a.session.attach(BOTH)
        await pair.b.wait_for(FirstFrame(Kind.VIDEO), 30)
        await pair.b.wait_for(FirstFrame(Kind.AUDIO), 30)
    await recorded()
    assert [path.name for path in tmp_path.iterdir()] == ["call.wav"]
