"""With endpoints that are not ours: plain aiortc, in the ways browsers describe themselves."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import aiortc
import pytest
import trio
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from onmeet_node.media.endpoint import Connected, FirstFrame, SessionConfig
from onmeet_node.media.engine.endpoint import AiortcEndpoint
from onmeet_node.media.engine.internals import aio_check_libraries
from onmeet_node.protocol.wire.messages import Kind
from tests.media.support import BOTH, Listener

pytestmark = pytest.mark.real


def first_section_only(sdp: str) -> str:
    """As browsers do: the candidates of a bundle in its first section alone."""
    head, *sections = re.split(r"(?=^m=)", sdp, flags=re.MULTILINE)
    rest = [re.sub(r"a=(candidate:|end-of-candidates).*\r\n", "", s) for s in sections[1:]]
    return "".join([head, sections[0], *rest])


class Foreign:
    """A plain aiortc peer, driven in the endpoint's thread."""

    def __init__(self, endpoint: AiortcEndpoint, policy: str, *, chat_first: bool) -> None:
        self._thread = endpoint._thread
        self._policy = aiortc.RTCBundlePolicy(policy)
        self._chat_first = chat_first
        self.heard: set[str] = set()

    async def aio_open(self) -> str:
        config = aiortc.RTCConfiguration(iceServers=[], bundlePolicy=self._policy)
        self.pc = aiortc.RTCPeerConnection(config)
        self.pc.on("track", lambda track: asyncio.ensure_future(self._aio_listen(track)))
        if self._chat_first:
            self.pc.createDataChannel("onmeet", negotiated=True, id=0)
        self.pc.addTrack(AudioStreamTrack())
        self.pc.addTrack(VideoStreamTrack())
        if not self._chat_first:
            self.pc.createDataChannel("onmeet", negotiated=True, id=0)
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self.pc.localDescription.sdp

    async def _aio_listen(self, track: aiortc.MediaStreamTrack) -> None:
        await track.recv()
        self.heard.add(track.kind)

    async def aio_answered(self, sdp: str) -> None:
        await self.pc.setRemoteDescription(aiortc.RTCSessionDescription(sdp, "answer"))

    async def aio_close(self) -> None:
        await self.pc.close()


@pytest.mark.parametrize(
    ("policy", "chat_first"), [("balanced", False), ("balanced", True), ("max-bundle", False)]
)
@pytest.mark.parametrize("shape", [str, first_section_only])
async def test_a_foreign_offer_is_answered_and_media_flows_both_ways(
    endpoint: AiortcEndpoint, policy: str, chat_first: bool, shape: Callable[[str], str]
) -> None:
    foreign = Foreign(endpoint, policy, chat_first=chat_first)
    session = await endpoint.open_session(SessionConfig(BOTH))
    try:
        offer = await endpoint._thread.run(foreign.aio_open)
        answer = await session.accept_offer(shape(offer))
        await endpoint._thread.run(foreign.aio_answered, answer)
        async with trio.open_nursery() as nursery:
            listener = Listener(session)
            nursery.start_soon(listener.run)
            await listener.wait_for(Connected)
            await session.attach(BOTH)
            await listener.wait_for(FirstFrame(Kind.AUDIO))
            await listener.wait_for(FirstFrame(Kind.VIDEO))
            with trio.fail_after(5):
                while foreign.heard != {"audio", "video"}:  # noqa: ASYNC110
                    await trio.sleep(0.02)
            await session.aclose()
    finally:
        await endpoint._thread.run(foreign.aio_close)
        await session.aclose()


async def test_no_third_party_server_is_ever_asked(endpoint: AiortcEndpoint) -> None:
    """aiortc's default is Google's STUN server (P8)."""
    session = await endpoint.open_session(SessionConfig(BOTH))
    await session.create_offer()
    for agent in session._peer._agents:
        assert agent.stun_server is None
        assert agent.turn_server is None
        assert agent._gathering.servers == ()
    await session.aclose()


async def test_the_installed_libraries_have_what_we_rely_on(endpoint: AiortcEndpoint) -> None:
    await endpoint._thread.run(aio_check_libraries)


def test_importing_the_interface_loads_no_media_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys, onmeet_node.media.endpoint, onmeet_node.media.errors;"
        "print([m for m in ('aiortc', 'av', 'asyncio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("[]", "['asyncio']"), "trio itself may import asyncio"
