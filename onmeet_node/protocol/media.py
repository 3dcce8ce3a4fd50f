"""What is said of media wherever it is spoken of."""

from __future__ import annotations

import enum


class MediaPath(enum.StrEnum):
    """How media travels: the type of our candidate in the nominated pair (RFC 8445)."""

    HOST = "host"
    SRFLX = "srflx"
    RELAY = "relay"
