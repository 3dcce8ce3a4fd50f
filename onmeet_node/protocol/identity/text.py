"""Text that came from other people, made harmless to show."""

from __future__ import annotations

import unicodedata

from onmeet_node.protocol.wire.messages import MAX_NAME_CHARS

_MAX_MARKS = 3
"""Combining marks on one letter: enough for Vietnamese and Hebrew, too few to cover other lines."""
_JOINERS = "\u200c\u200d"
"""Between letters of Persian and Indic scripts and in emoji; alone they are invisible."""
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters by category that show nothing: a name made of them would look empty."""
_REMOVED = frozenset(("Cc", "Cf", "Cs", "Co", "Cn"))
"""Controls, formats (direction overrides among them), surrogates, private and unassigned."""
_VARIATION = frozenset(chr(0xFE00 + n) for n in range(16))


def clean_text(text: str, limit: int = MAX_NAME_CHARS) -> str:
    """`text` as one line of at most `limit` characters that can only show itself.

    Controls, direction marks and overrides, invisible and unassigned characters go; line breaks
    and runs of spaces become one space; NFC; piled-up combining marks are cut; what is too long
    ends in “…”. May be empty. Cleaning twice changes nothing more.
    """
    # Far more than `limit` needs no look: an attacker's text must not cost time.
    spaced = "".join(map(_visible, text[: 16 * limit + 64]))
    line = _without_piles(unicodedata.normalize("NFC", " ".join(spaced.split())))
    if len(line) > limit:
        line = line[: limit - 1].rstrip(" " + _JOINERS) + "…"
    return line if any(character not in _JOINERS for character in line) else ""


def _visible(character: str) -> str:
    if character.isspace() or character in "\u2028\u2029":
        return " "
    if character in _JOINERS:
        return character
    if character in _BLANK or unicodedata.category(character) in _REMOVED:
        return ""
    return character


def _without_piles(text: str) -> str:
    kept: list[str] = []
    marks = 0
    for character in text:
        is_mark = unicodedata.category(character) in ("Mn", "Me") and character not in _VARIATION
        marks = marks + 1 if is_mark else 0
        if marks <= _MAX_MARKS:
            kept.append(character)
    return "".join(kept)
