"""Fields of messages: each helper makes a validated attrs field that can also describe itself.

What a field accepts is written once, in its `Shape`. The validator, the tables in PROTOCOL
(`wire.reference`) and the strategies of the property tests are all made from it. Validators never
quote the value: it may be a secret, or a megabyte.
"""

from __future__ import annotations

import enum
import re
from typing import Any, Protocol

import attrs


class BadField(ValueError):
    """A value that its field does not take. Neither of its texts quotes the value."""

    def __init__(self, owner: str, name: str, wrong: str) -> None:
        super().__init__(f"{owner}.{name} {wrong}")
        self.name = name
        self.wrong = wrong
        """The end of a sentence about it: ``must be …``."""


class NotUnderstood(Exception):
    """A value that only a later version knows, where none of ours can stand for it."""


MAX_WORD_CHARS = 32
"""Of a word of an enumeration; a longer one is malformed, not unknown."""


def type_name(cls: type) -> str:
    """How messages of this class are named: ``MediaState`` is ``media-state``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", cls.__name__).lower()


class Shape(Protocol):
    """What values a field takes."""

    def check(self, value: object) -> str | None:
        """What is wrong with the value, as the end of "`name` …"; None if nothing is."""

    def describe(self) -> str:
        """The same for a reader of PROTOCOL: msgpack type and range."""


@attrs.frozen
class Flag:
    """true or false. An integer is neither."""

    def check(self, value: object) -> str | None:
        """See `Shape`."""
        return None if isinstance(value, bool) else "must be true or false"

    def describe(self) -> str:
        """See `Shape`."""
        return "bool"


@attrs.frozen
class Integer:
    """A whole number; below 2^53, so that JavaScript keeps it exact. true is no number."""

    low: int
    high: int = attrs.field(validator=attrs.validators.lt(2**53))

    def check(self, value: object) -> str | None:
        """See `Shape`."""
        if (
            isinstance(value, int)
            and not isinstance(value, bool)
            and self.low <= value <= self.high
        ):
            return None
        return f"must be a whole number from {self.low} to {self.high}"

    def describe(self) -> str:
        """See `Shape`."""
        return f"int, {self.low}…{self.high}"


@attrs.frozen
class Data:
    """Bytes."""

    low: int
    high: int

    def check(self, value: object) -> str | None:
        """See `Shape`."""
        if isinstance(value, bytes) and self.low <= len(value) <= self.high:
            return None
        return f"must be {_span(self.low, self.high)} bytes"

    def describe(self) -> str:
        """See `Shape`."""
        return f"bin, {_span(self.low, self.high)} bytes"


@attrs.frozen
class Text:
    """Text of Unicode scalar values; lengths count code points."""

    low: int
    high: int
    ascii: bool = False
    """Only ASCII, which bounds the bytes as well."""
    pattern: str | None = None
    """Regular expression for the whole text."""

    def check(self, value: object) -> str | None:
        """See `Shape`."""
        if not isinstance(value, str) or not self.low <= len(value) <= self.high:
            return f"must be text of {_span(self.low, self.high)} characters"
        if self.ascii and not value.isascii():
            return "must be ASCII"
        if self.pattern is not None and re.fullmatch(self.pattern, value) is None:
            return f"must match {self.pattern}"
        if not _encodes(value):
            return "must not hold half a surrogate pair"
        return None

    def describe(self) -> str:
        """See `Shape`."""
        kind = "str (ASCII)" if self.ascii else "str"
        pattern = ", `{}`".format(self.pattern.replace("|", "\\|")) if self.pattern else ""
        return f"{kind}, {_span(self.low, self.high)} characters{pattern}"


@attrs.frozen
class Choice:
    """One of the values of an enumeration, travelling as its text."""

    of: type[enum.StrEnum]
    fallback: enum.StrEnum | None = None
    """What a word of a later version is read as; None: the message is not understood."""

    def check(self, value: object) -> str | None:
        """See `Shape`."""
        return None if isinstance(value, self.of) else f"must be one of {', '.join(self.of)}"

    def describe(self) -> str:
        """See `Shape`."""
        words = "str: " + " \\| ".join(f"`{member}`" for member in self.of)
        return words if self.fallback is None else f"{words}; another is read as `{self.fallback}`"

    def knows(self, raw: object) -> bool:
        """Whether this is no word of a later version (what is no word at all is malformed)."""
        if not isinstance(raw, str) or len(raw) > MAX_WORD_CHARS:
            return True
        return raw in self.of._value2member_map_


@attrs.frozen
class Nested:
    """A map of its own, without a type name."""

    of: type

    def check(self, value: object) -> str | None:
        """See `Shape`."""
        return None if isinstance(value, self.of) else f"must be a {self.of.__name__}"

    def describe(self) -> str:
        """See `Shape`."""
        return f"map: {self.of.__name__}"


@attrs.frozen
class Several:
    """A list in which every element has the same shape."""

    element: Shape
    low: int
    high: int
    distinct: bool = False
    cut: bool = False
    """Of a longer one the first `high` are taken; else the message is not understood."""

    def check(self, value: object) -> str | None:
        """See `Shape`."""
        if not isinstance(value, tuple) or not self.low <= len(value) <= self.high:
            return f"must be a list of {_span(self.low, self.high)}"
        for element in value:
            if wrong := self.element.check(element):
                return f"has an element that {wrong}"
        if self.distinct and len(set(value)) != len(value):
            return "must not say anything twice"
        return None

    def describe(self) -> str:
        """See `Shape`."""
        distinct = " different" if self.distinct else ""
        cut = ", cut" if self.cut else ""
        return f"array of {_span(self.low, self.high)}{distinct}{cut}: {self.element.describe()}"


@attrs.frozen
class Maybe:
    """Nil, or a value of this shape."""

    shape: Shape

    def check(self, value: object) -> str | None:
        """See `Shape`."""
        return None if value is None else self.shape.check(value)

    def describe(self) -> str:
        """See `Shape`."""
        return f"nil or {self.shape.describe()}"


def understood(shape: Shape, raw: object) -> object:
    """A value as it came, as far as this version understands it (PROTOCOL, "Versions and growth").

    Whether it is well formed is for `Shape.check`. Raises `NotUnderstood`.
    """
    match shape:
        case Maybe(shape=inner):
            return understood(inner, raw)
        case Choice(fallback=fallback) if not shape.knows(raw):
            if fallback is None:
                raise NotUnderstood
            return fallback.value
        case Several(element=element, low=low, high=high, cut=cut) if isinstance(raw, list):
            known = raw
            if isinstance(element, Choice):
                known = [one for one in raw if element.knows(one)]
                if len(known) < low <= len(raw):
                    raise NotUnderstood
            if len(known) > high:
                if not cut:
                    raise NotUnderstood
                known = known[:high]
            return known
    return raw


def grows(shape: Shape) -> bool:
    """Whether `understood` may make something else of a value."""
    return grows(shape.shape) if isinstance(shape, Maybe) else isinstance(shape, Choice | Several)


SHAPE = "shape"
"""Where a field keeps its shape in its attrs metadata."""


def field(shape: Shape, *, default: Any = attrs.NOTHING, hidden: bool = False) -> Any:
    """A field of this shape. `hidden` keeps it out of repr, and so out of every log."""
    return attrs.field(
        default=default, repr=not hidden, validator=_validate, metadata={SHAPE: shape}
    )


def word(fallback: enum.StrEnum) -> Any:
    """A word of an enumeration; this one if it is absent, or of a later version."""
    return field(Choice(type(fallback), fallback), default=fallback)


def maybe(shape: Shape, *, hidden: bool = False) -> Any:
    """A field that may be absent: None."""
    return field(Maybe(shape), default=None, hidden=hidden)


def _validate(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    shape: Shape = attribute.metadata[SHAPE]
    if wrong := shape.check(value):
        raise BadField(type(instance).__name__, attribute.name, wrong)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}…{high}"
