"""A session in a process of its own, told what to do in lines of JSON.

It answers `{"sdp": …}` to `{"offer": null}` and `{"accept_offer": …}`, `{"ice": …}` to
`{"report": null}`, tells each event by its name, sends the test tone as soon as it is connected,
and ends with its standard input.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import trio

from onmeet_node.media.endpoint import Connected, IceServer, SessionConfig
from onmeet_node.media.engine.endpoint import AiortcSession, MediaSettings, open_endpoint
from onmeet_node.media.ice_report import IceReport
from tests.media.support import AUDIO


class PeerProcess:
    """The other end of the lines; made by `start_peer`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.events: list[str] = []

    async def describe(self, command: str, sdp: str | None = None) -> str:
        """Its offer, or its answer."""
        await self.tell(command, sdp)
        while "sdp" not in (line := await self._next()):
            pass
        return str(line["sdp"])

    async def tell(self, command: str, sdp: str | None) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({command: sdp}) + "\n")
        self.process.stdin.flush()

    async def report(self) -> IceReport:
        """Its ICE report as of now."""
        await self.tell("report", None)
        while "ice" not in (line := await self._next()):
            pass
        report = IceReport.from_json(line["ice"])
        assert report is not None
        return report

    async def wait_for(self, event: str) -> None:
        while event not in self.events:
            await self._next()

    async def _next(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        with trio.fail_after(60):
            text = await trio.to_thread.run_sync(
                self.process.stdout.readline, abandon_on_cancel=True
            )
        assert text, "the peer's process ended"
        line: dict[str, Any] = json.loads(text)
        if "event" in line:
            self.events.append(line["event"])
        return line


@asynccontextmanager
async def start_peer(
    config: SessionConfig, prefix: Sequence[str] = ()
) -> AsyncIterator[PeerProcess]:
    """A process with one session; `prefix` goes before its command line."""
    told = {
        "relay_only": config.relay_only,
        "servers": [asdict(server) for server in config.ice_servers],
    }
    process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
        [*prefix, sys.executable, "-m", "tests.media.peer_process", json.dumps(told)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield PeerProcess(process)
    finally:
        process.kill()
        process.wait()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()


def _say(**line: object) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def _tell_events(session: AiortcSession) -> None:
    async for event in session.events:
        _say(event=type(event).__name__)
        if isinstance(event, Connected):
            await session.attach(AUDIO)


async def _main() -> None:
    told = json.loads(sys.argv[1])
    config = SessionConfig(
        AUDIO,
        ice_servers=tuple(IceServer(**server) for server in told["servers"]),
        relay_only=told["relay_only"],
    )
    async with (
        open_endpoint(MediaSettings(source="test")) as endpoint,
        trio.open_nursery() as nursery,
    ):
        session = await endpoint.open_session(config)
        nursery.start_soon(_tell_events, session)
        while line := await trio.to_thread.run_sync(sys.stdin.readline):
            match json.loads(line):
                case {"offer": None}:
                    _say(sdp=await session.create_offer())
                case {"accept_offer": str(sdp)}:
                    _say(sdp=await session.accept_offer(sdp))
                case {"report": None}:
                    _say(ice=session.report().as_json())
                case {"accept_answer": str(sdp)}:
                    await session.accept_answer(sdp)
        await session.aclose()


if __name__ == "__main__":
    trio.run(_main)
