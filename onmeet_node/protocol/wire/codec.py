"""The one place where bytes from outside become typed values, and back (PROTOCOL, "Encoding").

A message is one msgpack map: ``t``, then the fields without a default, then those that differ from
theirs, each in the order of the class. So equal messages have equal bytes; a decoder takes any
order, and defaults as well. Decoding is strict: nothing is converted, no key may stand twice, and
what `fields` says about a value holds when it returns.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, get_args

import attrs
import msgpack
from cattrs.gen import make_dict_structure_fn
from cattrs.preconf.msgpack import make_converter

from onmeet_node.protocol.errors import LocalProtocolError
from onmeet_node.protocol.wire import messages
from onmeet_node.protocol.wire.errors import DecodeError, UnknownMessage
from onmeet_node.protocol.wire.fields import SHAPE, NotUnderstood, grows, type_name, understood

MAX_MESSAGE_BYTES = 65_519
"""What one Noise transport message carries: 65,535 less the tag of 16."""
MAX_LIST = 1_024
"""Elements of any array or map, known or not; the longest list of ours has 64."""
MAX_DEPTH = 16
"""Maps and arrays within each other, known or not, the message among them; ours has 4."""
_TYPE_KEY = "t"

M = TypeVar("M")


class Codec(Generic[M]):
    """Encodes and decodes one family of messages: an attrs class, or the members of a union."""

    def __init__(self, union: Any, *, limit: int = MAX_MESSAGE_BYTES) -> None:
        """`limit`: bytes of one encoded message. `messages.Unknown` may be in the union."""
        self._limit = limit
        self.classes: Mapping[str, type[M]] = {
            type_name(cls): cls
            for cls in get_args(union) or (union,)
            if cls is not messages.Unknown
        }
        """By name on the wire, in the order of the union."""
        self._names = {cls: name for name, cls in self.classes.items()}

    def encode(self, message: M) -> bytes:
        """The bytes of a message, without framing.

        Raises `LocalProtocolError` for a message of another family and for one that is too long.
        """
        name = self._names.get(type(message))
        if name is None:
            raise LocalProtocolError(f"{type(message).__name__} is never sent here.")
        data: bytes = msgpack.packb({_TYPE_KEY: name, **_converter.unstructure(message)})
        if len(data) > self._limit:
            raise LocalProtocolError(
                f"A {name} of {len(data)} bytes is too long; {self._limit} are allowed."
            )
        return data

    def decode(self, data: bytes) -> M | messages.Unknown:
        """The message these bytes are; `Unknown` if its type is none of this family, or if it says
        what only a later version can understand.

        Raises `DecodeError` and nothing else, whatever the bytes.
        """
        if len(data) > self._limit:
            raise DecodeError(f"it has {len(data)} bytes and {self._limit} are allowed")
        content = _unpack(data)
        try:
            return self.from_map(content)
        except UnknownMessage:
            return messages.Unknown(type=content[_TYPE_KEY])

    def from_map(self, content: Mapping[str, Any]) -> M | messages.Unknown:
        """The message that this map is, from whatever encoding.

        Raises `DecodeError`, and of those `UnknownMessage` for a known type with what only a later
        version can understand.
        """
        name = content.get(_TYPE_KEY)
        if not isinstance(name, str) or not len(name) <= messages.MAX_TYPE_CHARS:
            raise DecodeError("it does not say its type")
        cls = self.classes.get(name)
        if cls is None:
            return messages.Unknown(type=name)
        try:
            return _converter.structure(content, cls)
        except NotUnderstood:
            raise UnknownMessage(f"{name} says what this version does not know") from None
        except KeyError as error:
            raise DecodeError(f"{name} lacks the key {error}") from None
        except (ValueError, TypeError) as error:
            # NOTE: ours alone, which name the field and never quote the value (`fields`).
            raise DecodeError(f"in {name}, {error}") from None


def _unpack(data: bytes) -> dict[str, Any]:
    try:
        content = msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            object_pairs_hook=unique,
            # NOTE: no field takes one; under a key that is not known it is ignored as all else is.
            ext_hook=msgpack.ExtType,
            max_str_len=len(data),
            max_bin_len=len(data),
            max_array_len=MAX_LIST,
            max_map_len=MAX_LIST,
            max_ext_len=len(data),
        )
    except DecodeError:
        raise
    except (ValueError, TypeError, msgpack.UnpackException):
        # Also UnicodeDecodeError, and msgpack's own for trailing bytes, depth and lengths. Their
        # texts may quote what they failed on.
        raise DecodeError("it is no msgpack, or goes beyond our limits") from None
    if not isinstance(content, dict):
        raise DecodeError("it is no map")
    if _deeper_than(content, MAX_DEPTH):
        raise DecodeError(f"it is more than {MAX_DEPTH} deep")
    return content


def _deeper_than(content: dict[str, Any], most: int) -> bool:
    level: list[Any] = [content]
    for _ in range(most):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def unique(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    """A map of these, in which no key may stand twice. Raises `DecodeError`."""
    content = dict(pairs)
    if len(content) != len(pairs):
        raise DecodeError("a key stands twice in one map")
    if not all(isinstance(key, str) for key in content):
        raise DecodeError("a key is no text")
    return content


# ── cattrs: structure alone is its business; the validators of the classes check every value ─────
_converter = make_converter(omit_if_default=True, detailed_validation=False)


def _as_it_is(value: Any, _: type) -> Any:
    return value


def _structure_class(cls: type[attrs.AttrsInstance]) -> Callable[[Any, type], Any]:
    from_map = make_dict_structure_fn(
        cls, _converter, _cattrs_detailed_validation=False, _cattrs_forbid_extra_keys=False
    )

    growing = [
        (field.name, field.metadata[SHAPE])
        for field in attrs.fields(cls)
        if SHAPE in field.metadata and grows(field.metadata[SHAPE])
    ]

    def structure(value: Any, _: type) -> Any:
        if not isinstance(value, dict):
            raise TypeError(f"{cls.__name__} must be a map")
        known = {name: understood(shape, value[name]) for name, shape in growing if name in value}
        return from_map({**value, **known} if known else value, cls)

    return structure


def _structure_tuple(cls: Any) -> Callable[[Any, type], tuple[Any, ...]]:
    element = get_args(cls)[0]

    def structure(value: Any, _: type) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise TypeError("a list must be an array")
        return tuple(_converter.structure(item, element) for item in value)

    return structure


def _structure_text(value: Any, cls: type[str]) -> Any:
    """For str, and for enumerations: cattrs sends the subclasses of str here as well."""
    if not issubclass(cls, enum.StrEnum):
        return value
    if not isinstance(value, str) or value not in cls._value2member_map_:
        raise ValueError(f"{cls.__name__} must be one of {', '.join(cls)}")
    return cls(value)


_converter.register_structure_hook(str, _structure_text)
for _primitive in (int, bytes, bool):
    # cattrs would convert: int("5"), bytes(5), bool("no").
    _converter.register_structure_hook(_primitive, _as_it_is)
_converter.register_structure_hook_factory(attrs.has, _structure_class)
_converter.register_structure_hook_factory(
    lambda cls: getattr(cls, "__origin__", None) is tuple, _structure_tuple
)

_channel: Codec[messages.Message] = Codec(messages.Message)


def encode(message: messages.Message) -> bytes:
    """A channel message as bytes. Raises `LocalProtocolError` for `Unknown`."""
    return _channel.encode(message)


def decode(data: bytes) -> messages.Message:
    """A channel message from bytes. Raises `DecodeError` and nothing else."""
    return _channel.decode(data)
