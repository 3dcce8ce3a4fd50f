"""The end of a WebSocket that we serve."""

from __future__ import annotations

import contextlib

import trio
from starlette.websockets import WebSocket, WebSocketDisconnect

LAST_WORDS_SECONDS = 1.0
"""For the other side to answer a close; whatever else it says meanwhile is passed over."""


async def close_websocket(socket: WebSocket, code: int) -> None:
    """Closes as RFC 6455 §7.1.1 asks: TCP only after the other side's own Close frame.

    What they have sent and we have not read would reset TCP, and take the code with it. One that is
    closed already is left alone.
    """
    with contextlib.suppress(RuntimeError, WebSocketDisconnect, trio.BrokenResourceError):
        await socket.close(code)
        with trio.move_on_after(LAST_WORDS_SECONDS):
            while (await socket.receive())["type"] != "websocket.disconnect":
                pass
