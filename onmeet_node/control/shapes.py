"""What requests, and messages of the app's pages, are made of."""

from __future__ import annotations

from typing import Any

import attrs

from onmeet_node.protocol.wire.fields import (
    Choice,
    Flag,
    Integer,
    Maybe,
    Nested,
    Several,
    Text,
    field,
)
from onmeet_node.protocol.wire.messages import MAX_FIELD_CHARS, MAX_NAME_CHARS, Kind

MAX_REQUEST_BYTES = 64 * 1024
"""Of a request on the control socket; a contact code with a note is the longest, about 1 kB."""
MAX_CODE_CHARS = 2_000
MAX_SENTENCE_CHARS = 2_000
MAX_PATH_CHARS = 4_096
SAFE = 2**53 - 1
"""The greatest whole number that JavaScript tells from the next."""


def hexed(size: int) -> Text:
    """So many bytes, in hex."""
    return Text(2 * size, 2 * size, pattern="[0-9a-f]*")


IDENTITY, CALL, PICTURE = hexed(32), hexed(16), hexed(16)
ROOM = CALL
"""16 bytes in hex."""
KEY = IDENTITY
"""Of a participant in one room: 32 bytes in hex. It says nothing about who that is elsewhere."""
SENTENCE = Text(0, MAX_SENTENCE_CHARS)
NAME = Text(0, MAX_NAME_CHARS)
VALUE = Text(0, MAX_FIELD_CHARS)
TIME = Integer(0, SAFE)
"""Unix seconds."""
KINDS = Several(Choice(Kind), 1, 2, distinct=True)

# What names something that is there; `names` says how each is read.
WHO = Text(1, MAX_CODE_CHARS)
"""A person: an identity, the start of one, a name, or (to call or invite) a contact code."""
WHICH = Text(1, MAX_NAME_CHARS)
"""A room, an invitation, a guest link, a guest or a participant: its id, the start of that, or what
it is called."""
STARTS = Text(1, 32)
"""A call: its id, or the start of it."""


def number() -> Any:
    """A page's request has one of its own, by which its answer is known. On the control socket,
    where a connection is one request, there is none: 0.
    """
    return field(Integer(0, 2**31 - 1), default=0)


def answer_number() -> Any:
    """The number of the request that is answered."""
    return field(Integer(0, 2**31 - 1))


def session() -> Any:
    """A media session's."""
    return field(Integer(1, 2**31 - 1))


@attrs.frozen
class Request:
    """The base of what may be asked of a running node, through any of its doors."""


@attrs.frozen(kw_only=True)
class Headless:
    """What a call sends and keeps that runs in the node itself. A page has devices of its own, and
    may name no file.
    """

    source: str | None = field(Maybe(Text(1, MAX_PATH_CHARS)), default=None)
    """``test``, ``none``, ``devices``, or a file to send; None: as configured."""
    record: str | None = field(Maybe(Text(1, MAX_PATH_CHARS)), default=None)
    """File for what they send; of a room, directory with a file for each participant."""


HEADLESS = Maybe(Nested(Headless))


def headless() -> Any:
    """What a call in the node itself sends and keeps: pages have no such field."""
    return field(HEADLESS, default=None)


def settled() -> Any:
    """Whether the answer waits, for a moment, until others can know of what was done."""
    return field(Flag(), default=False)


@attrs.frozen(kw_only=True)
class CardShown:
    """What a person shows us of themselves. Cleaned: no control or direction characters."""

    name: str | None = field(Maybe(NAME))
    country: str | None = field(Maybe(Text(2, 2)))
    phone: str | None = field(Maybe(VALUE), hidden=True)
    email: str | None = field(Maybe(VALUE), hidden=True)
