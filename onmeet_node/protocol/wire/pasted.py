"""What is left of a link or code that came by mail or messenger. Pure.

Programs on the way wrap lines, add punctuation and parameters, encode ``#`` and put the whole into
a link of their own. Version, length and checksum of what is inside say whether it is whole, so
everything around it may be passed over.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

MAX_PASTED_CHARS = 8_192
"""Of a text that is looked through."""

_LAYERS = 3
"""Of percent-encoding: one of a mail program, one of a wrapping link, one to spare."""


def unwrapped(text: str) -> str:
    """The text without percent-encoding, however often it was applied."""
    for _ in range(_LAYERS):
        plain = unquote(text)
        if plain == text:
            break
        text = plain
    return text


def split_at(text: str, page: str) -> tuple[str, str] | None:
    """Origin and fragment of the first link to this page (a pattern); None if there is none.

    The origin is as in ``https://meet.example.org``, or empty. A slash or parameters may stand
    before the ``#``.
    """
    mark = re.search(rf"/{page}/?(?:\?[^#\s]*)?#", text, re.IGNORECASE)
    if mark is None:
        return None
    before = text[: mark.start()]
    schemes = list(re.finditer(r"https?://", before, re.IGNORECASE))
    origin = before[schemes[-1].start() :].lower() if schemes else ""
    return origin, text[mark.end() :]
