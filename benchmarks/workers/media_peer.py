"""One end of a bare aiortc call, with instant signaling over one TCP connection.

    media_peer.py answer ADDRESS PORT      serves until its peer leaves
    media_peer.py offer ADDRESS PORT ROUNDS

Prints `{"event": "round", "connected_ms", "audio_ms", "video_ms"}` for each round: times from the
creation of the offerer's peer connection to its ICE and DTLS being up, and to the first audio and
video frame decoded there.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack

LIMIT = 30.0


def say(**values: Any) -> None:
    """Prints one line."""
    print(json.dumps({"t": time.monotonic(), **values}), flush=True)


class Peer:
    """One peer connection that sends silence and a still picture, and notes the first frames."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        # Explicitly no servers: the default is a third party's STUN.
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.pc.addTrack(AudioStreamTrack())
        self.pc.addTrack(VideoStreamTrack())
        self.times: dict[str, float] = {}
        self.complete = asyncio.Event()
        self._drains: list[asyncio.Task[None]] = []
        self.pc.on("connectionstatechange", self._state)
        self.pc.on("track", self._track)

    def _note(self, what: str) -> None:
        self.times.setdefault(what, (time.monotonic() - self.begun) * 1000)
        if len(self.times) == 3:
            self.complete.set()

    def _state(self) -> None:
        if self.pc.connectionState == "connected":
            self._note("connected_ms")

    def _track(self, track: Any) -> None:
        self._drains.append(asyncio.create_task(self._drain(track)))

    async def _drain(self, track: Any) -> None:
        try:
            while True:
                await track.recv()
                self._note(f"{track.kind}_ms")
        except MediaStreamError:
            return

    async def close(self) -> None:
        """Ends the connection."""
        await self.pc.close()
        for drain in self._drains:
            drain.cancel()

    async def describe(self, made: Any) -> dict[str, str]:
        """Makes this the local description; gives it with all candidates in it."""
        await self.pc.setLocalDescription(made)
        local = self.pc.localDescription
        return {"type": local.type, "sdp": local.sdp}


async def send(writer: asyncio.StreamWriter, value: object) -> None:
    """One line of JSON."""
    writer.write(json.dumps(value).encode() + b"\n")
    await writer.drain()


async def offer(address: str, port: int, rounds: int) -> None:
    """Calls so many times."""
    reader, writer = await asyncio.open_connection(address, port, limit=1 << 20)
    for _ in range(rounds):
        peer = Peer()
        await send(writer, await peer.describe(await peer.pc.createOffer()))
        answer = json.loads(await reader.readline())
        await peer.pc.setRemoteDescription(RTCSessionDescription(**answer))
        await asyncio.wait_for(peer.complete.wait(), LIMIT)
        say(event="round", **peer.times)
        await peer.close()
        await send(writer, "next")
        await reader.readline()
    writer.close()


async def answer(address: str, port: int) -> None:
    """Answers whoever calls."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            peer = Peer()
            await peer.pc.setRemoteDescription(RTCSessionDescription(**json.loads(line)))
            await send(writer, await peer.describe(await peer.pc.createAnswer()))
            await reader.readline()
            await peer.close()
            await send(writer, "next")
        writer.close()

    server = await asyncio.start_server(serve, address, port, limit=1 << 20)
    say(event="ready", port=server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    role, where, at, *more = sys.argv[1:]
    if role == "offer":
        asyncio.run(offer(where, int(at), int(more[0])))
    else:
        asyncio.run(answer(where, int(at)))
