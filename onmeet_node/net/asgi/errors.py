"""What ends a connection."""

from __future__ import annotations


class LineGone(OSError):
    """The other side has gone, or took too long. An OSError: ASGI asks for one."""


class BadHttpRequest(Exception):
    """Not HTTP/1.1 as we serve it."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status
