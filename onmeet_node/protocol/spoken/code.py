"""The spoken code: a number under which two sides meet, and two words that only they know."""

from __future__ import annotations

import re
import unicodedata
from difflib import get_close_matches

import attrs
from attrs import validators as v

from onmeet_node.protocol.identity.errors import CodeError
from onmeet_node.protocol.spoken.words import THREE_SYLLABLES, TWO_SYLLABLES
from onmeet_node.protocol.wire.mailbox import MAX_NAMEPLATE

LISTS = (THREE_SYLLABLES, TWO_SYLLABLES)
"""Of the first word and of the second: a word that is left out, or two that are exchanged, show."""
SECRET_BYTES = len(LISTS)
"""One a word: 65,536 codes for each number, of which whoever guesses may try one."""
MAX_SPOKEN_CHARS = 80
"""Beyond that a text is no spoken code, but may be another one."""
_SPOKEN = re.compile(r"\W*\d{1,6}(?:[\W_]+[^\W\d_]+){1,4}\W*")
_PARTS = re.compile(r"\d+|[^\W\d_]+")


class SpokenCodeUnreadable(CodeError):
    """No number and two words."""

    def __init__(self) -> None:
        super().__init__(
            "A spoken code is a number and two words, as in 7-crossover-clockwork. Ask the person "
            "to say it again, and type all of it."
        )


class SpokenWordUnknown(CodeError):
    """A word that no spoken code has: a slip, which costs nothing, since nobody was asked."""

    def __init__(self, word: str, meant: str | None) -> None:
        self.meant = meant
        super().__init__(
            f"No spoken code has the word “{word}” there. Did they say “{meant}”?"
            if meant
            else f"No spoken code has the word “{word}” there. Ask the person to say it again."
        )


@attrs.frozen
class SpokenCode:
    """A nameplate and the two bytes that its words stand for."""

    nameplate: int = attrs.field(validator=v.and_(v.ge(1), v.le(MAX_NAMEPLATE)))
    """Where the two sides meet; no secret."""
    secret: bytes = attrs.field(
        repr=False, validator=v.and_(v.min_len(SECRET_BYTES), v.max_len(SECRET_BYTES))
    )

    @property
    def words(self) -> tuple[str, ...]:
        """The words, as they are said."""
        return tuple(words[byte] for words, byte in zip(LISTS, self.secret, strict=True))

    def text(self) -> str:
        """The code as it is shown: lower case, with hyphens."""
        return "-".join((str(self.nameplate), *self.words))


def is_spoken(text: str) -> bool:
    """Whether this is meant for a spoken code: a number, then words, and short."""
    return len(text) <= MAX_SPOKEN_CHARS and _SPOKEN.fullmatch(text) is not None


def parse_spoken(text: str) -> SpokenCode:
    """The code in what somebody typed: any case, any digits, anything between the parts.

    Raises `SpokenWordUnknown` with the nearest word, and `SpokenCodeUnreadable`.
    """
    if len(text) > MAX_SPOKEN_CHARS:
        raise SpokenCodeUnreadable
    number, *words = _PARTS.findall(unicodedata.normalize("NFKC", text).casefold()) or [""]
    if not number.isdecimal() or len(words) != len(LISTS):
        raise SpokenCodeUnreadable
    nameplate = int(number)  # NOTE: of any script's digits
    if not 1 <= nameplate <= MAX_NAMEPLATE:
        raise SpokenCodeUnreadable
    return SpokenCode(nameplate, bytes(map(_byte, words, LISTS)))


def _byte(word: str, words: tuple[str, ...]) -> int:
    if word in words:
        return words.index(word)
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    raise SpokenWordUnknown(word[:24], near[0] if near else None)
