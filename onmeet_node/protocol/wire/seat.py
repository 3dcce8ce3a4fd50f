"""A seat's link: whose accounts service, and the code that buys there (PROTOCOL, "Tokens").

    https://accounts.example.org/seat#seat-4kq3...

The fragment never reaches a server as an address; the node sends the code to that host alone.
"""

from __future__ import annotations

import hashlib
import re

import attrs

from onmeet_node.protocol.errors import RemoteProtocolError

CODE_BYTES = 16
CHECK_BYTES = 2
MAX_LINK_CHARS = 400
MAX_ISSUER_CHARS = 260
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PREFIX = "seat"
_CHARS = -(-8 * (CODE_BYTES + CHECK_BYTES) // 5)
ISSUER = r"(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)(:[0-9]{1,5})?"
"""A host name in small letters, and a port if it is not 443."""
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?")
_LINK = re.compile(r"https?://(?P<issuer>[^/\s]+)/seat#(?P<code>\S+)")


class BadSeat(RemoteProtocolError):
    """What is no seat link; the message says why."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"That is no seat link: {why}. It looks like https://…/seat#seat-…; copy all of it."
        )


def issuer_url(issuer: str) -> str:
    """Where an issuer is asked: by HTTPS, but on this machine itself."""
    scheme = "http" if _LOOPBACK.fullmatch(issuer) else "https"
    return f"{scheme}://{issuer}"


def encode_code(code: bytes) -> str:
    """`CODE_BYTES` random bytes as a person may type them, with a check against mistakes."""
    number = int.from_bytes(code + _check(code), "big") << (
        5 * _CHARS - 8 * (CODE_BYTES + CHECK_BYTES)
    )
    digits = "".join(_ALPHABET[number >> 5 * n & 31] for n in reversed(range(_CHARS)))
    return "-".join((_PREFIX, *(digits[n : n + 5] for n in range(0, _CHARS, 5))))


def decode_code(text: str) -> bytes:
    """The bytes again; hyphens, spaces and case do not matter. Raises `BadSeat`."""
    plain = re.sub(r"[\s-]", "", text.lower())
    plain = plain.removeprefix(_PREFIX).replace("o", "0").replace("i", "1").replace("l", "1")
    if len(plain) != _CHARS or not set(plain) <= set(_ALPHABET):
        raise BadSeat("the code has another length, or characters that none has")
    number = 0
    for digit in plain:
        number = number << 5 | _ALPHABET.index(digit)
    spare = 5 * _CHARS - 8 * (CODE_BYTES + CHECK_BYTES)
    data = (number >> spare).to_bytes(CODE_BYTES + CHECK_BYTES, "big")
    code = data[:CODE_BYTES]
    if data[CODE_BYTES:] != _check(code) or number & ((1 << spare) - 1):
        raise BadSeat("a character of the code is wrong")
    return code


def hash_of(code: bytes) -> bytes:
    """What the issuer keeps of a code."""
    return hashlib.sha256(b"onmeet seat 1\x00" + code).digest()


def _check(code: bytes) -> bytes:
    return hashlib.sha256(b"onmeet seat check 1\x00" + code).digest()[:CHECK_BYTES]


@attrs.frozen
class SeatLink:
    """An issuer's name (host, or host:port) and a code that buys there."""

    issuer: str
    code: bytes = attrs.field(repr=False)

    @classmethod
    def parse(cls, text: str) -> SeatLink:
        """Raises `BadSeat`."""
        if len(text) > MAX_LINK_CHARS:
            raise BadSeat("it is too long")
        found = _LINK.fullmatch(text.strip())
        if found is None:
            raise BadSeat("it is cut off, or something else")
        issuer = found["issuer"].lower()
        if not re.fullmatch(ISSUER, issuer) or len(issuer) > MAX_ISSUER_CHARS:
            raise BadSeat("its host is no name")
        link = cls(issuer, decode_code(found["code"]))
        if not text.strip().lower().startswith(issuer_url(issuer) + "/"):
            raise BadSeat("it must begin with https://")
        return link

    def __str__(self) -> str:
        return f"{issuer_url(self.issuer)}/seat#{encode_code(self.code)}"
