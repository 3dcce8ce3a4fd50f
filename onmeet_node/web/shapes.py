"""What messages of the app's pages are made of, in `messages` and in `room_messages`."""

from __future__ import annotations

from typing import Any

import attrs

from onmeet_node.protocol.wire.fields import Integer, Maybe, Text, field
from onmeet_node.protocol.wire.messages import MAX_FIELD_CHARS, MAX_NAME_CHARS

MAX_CODE_CHARS = 2_000
MAX_SENTENCE_CHARS = 2_000
SAFE = 2**53 - 1
"""The greatest whole number that JavaScript tells from the next."""


def hexed(size: int) -> Text:
    """So many bytes, in hex."""
    return Text(2 * size, 2 * size, pattern="[0-9a-f]*")


IDENTITY, CALL, PICTURE = hexed(32), hexed(16), hexed(16)
SENTENCE = Text(0, MAX_SENTENCE_CHARS)
NAME = Text(0, MAX_NAME_CHARS)
VALUE = Text(0, MAX_FIELD_CHARS)
TIME = Integer(0, SAFE)
"""Unix seconds."""


def number() -> Any:
    """A request's, by which its answer is known."""
    return field(Integer(0, 2**31 - 1))


def session() -> Any:
    """A media session's."""
    return field(Integer(1, 2**31 - 1))


@attrs.frozen(kw_only=True)
class CardShown:
    """What a person shows us of themselves. Cleaned: no control or direction characters."""

    name: str | None = field(Maybe(NAME))
    country: str | None = field(Maybe(Text(2, 2)))
    phone: str | None = field(Maybe(VALUE), hidden=True)
    email: str | None = field(Maybe(VALUE), hidden=True)
