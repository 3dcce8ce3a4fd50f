"""The chat of a call, on a data channel that the test holds."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from onmeet_node.media.engine.data_channels import ChatChannel
from onmeet_node.protocol.wire.codec import decode, encode
from onmeet_node.protocol.wire.limits import MAX_BACKLOG_BYTES
from onmeet_node.protocol.wire.messages import Chat, ChatTaken


class Line:
    """What `ChatChannel` uses of an aiortc data channel."""

    readyState = "open"
    bufferedAmount = 0

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.heard: dict[str, Callable[..., None]] = {}

    def on(self, event: str, heard: Callable[..., None]) -> None:
        self.heard[event] = heard

    def send(self, data: bytes) -> None:
        self.sent.append(data)


def opened() -> tuple[Line, list[Chat]]:
    line, read = Line(), list[Chat]()
    pc = SimpleNamespace(createDataChannel=lambda *_, **__: line)
    ChatChannel(cast("Any", pc), read.append)
    return line, read


def test_a_line_with_a_number_is_confirmed_each_time_it_comes() -> None:
    line, read = opened()
    for _ in range(2):
        line.heard["message"](encode(Chat(text="hello", number=7)))
    line.heard["message"](encode(Chat(text="from a program that asks for nothing")))
    assert [decode(data) for data in line.sent] == [ChatTaken(number=7)] * 2
    assert len(read) == 3, "who shows them knows that two are one"


def test_who_writes_without_end_and_reads_nothing_fills_no_memory() -> None:
    line, read = opened()
    line.bufferedAmount = MAX_BACKLOG_BYTES + 1
    line.heard["message"](encode(Chat(text="hello", number=7)))
    assert read
    assert not line.sent
