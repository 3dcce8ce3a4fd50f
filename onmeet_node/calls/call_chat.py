"""The lines of chat of one call that come in."""

from __future__ import annotations

from collections.abc import Callable

from onmeet_node.events import CallEvent, ChatLine
from onmeet_node.protocol.wire.messages import CallId, Chat

MAX_LINES_KNOWN = 1_000
"""Of lines of chat, so that one said again is shown once."""


class CallChat:
    """Shows each line once, over whatever path it is said again."""

    def __init__(self, call: CallId, publish: Callable[[CallEvent], None]) -> None:
        self._call = call
        self._publish = publish
        self._known: dict[int, None] = {}

    def heard(self, chat: Chat) -> None:
        """The peer wrote a line."""
        if chat.number is not None:
            if chat.number in self._known:
                return
            self._known[chat.number] = None
            if len(self._known) > MAX_LINES_KNOWN:
                del self._known[next(iter(self._known))]
        self._publish(ChatLine(call=self._call, text=chat.text))
