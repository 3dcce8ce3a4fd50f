"""Values that no program makes by itself, and every form in which one could be lying about.

Pure: what is looked for. `scan` looks.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import secrets
from collections.abc import Iterable

import attrs

MIN_BYTES = 6
"""Shorter needles are found by chance: 6 bytes once in 2.8e14 places, 4 once in 4.3e9. Packed IPv4
addresses are 4 bytes: see `address`."""
_B58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@attrs.frozen
class Canary:
    """Something that must be gone. `what` names it in reports, in place of the value."""

    what: str
    needles: tuple[tuple[str, bytes], ...] = attrs.field(repr=False)
    """The name of an encoding and the bytes it gives; no bytes twice."""


def text(what: str, value: str) -> Canary:
    """A name, a code: text as people see it."""
    raw = value.encode()
    wide = (
        ("utf-16-le", value.encode("utf-16-le")),
        ("utf-16-be", value.encode("utf-16-be")),
        ("utf-32-le", value.encode("utf-32-le")),  # CPython's own, with characters over U+FFFF
        ("json", json.dumps(value)[1:-1].encode()),
    )
    latin = ((("latin-1", value.encode("latin-1")),)) if _is_latin(value) else ()
    return Canary(what, _distinct((*_of_bytes(raw), *wide, *latin)))


def binary(what: str, value: bytes) -> Canary:
    """A key or an id: bytes."""
    return Canary(what, _distinct(_of_bytes(value)))


def peer(what: str, peer_id: str) -> Canary:
    """A PeerId: its text, its multihash, and the public key in it (Ed25519: the last 32 bytes)."""
    multihash = unbase58(peer_id)
    forms = (*_of_bytes(peer_id.encode()), *_of_bytes(multihash), *_of_bytes(multihash[-32:]))
    return Canary(what, _distinct(forms))


def address(what: str, ip: str) -> Canary:
    """An IP address, as text and packed.

    NOTE: four packed bytes turn up by chance in one of some 40 scans of 100 MB; a scan that
    finds nothing but them is to be run again, with other addresses.
    """
    parsed = ipaddress.ip_address(ip)
    return Canary(
        what,
        _distinct(
            (
                ("text", ip.encode()),
                ("utf-16-le", ip.encode("utf-16-le")),
                ("packed", parsed.packed),
                ("base64", base64.b64encode(ip.encode()).rstrip(b"=")[:-1]),
                ("hex", parsed.packed.hex().encode()),
            )
        ),
    )


def unusual_name(begin: str) -> str:
    """A name that is nobody's: unguessable, with characters that JSON escapes."""
    return f"{begin} Šimůnková-{secrets.token_hex(6)}"


def _is_latin(value: str) -> bool:
    return all(ord(character) < 256 for character in value)


def _of_bytes(raw: bytes) -> Iterable[tuple[str, bytes]]:
    yield "raw", raw
    yield "hex", raw.hex().encode()
    yield "HEX", raw.hex().upper().encode()
    yield "base58", base58(raw).encode()
    yield "base32", base64.b32encode(raw).rstrip(b"=").lower()
    for alignment in range(3):
        coded = _base64_inside(raw, alignment)
        yield f"base64+{alignment}", coded
        yield f"base64url+{alignment}", coded.replace(b"+", b"-").replace(b"/", b"_")


def _base64_inside(raw: bytes, alignment: int) -> bytes:
    """What of `raw` any base64 shows in which it begins `alignment` bytes after a multiple of 3."""
    coded = base64.b64encode(bytes(alignment) + raw)
    first = -(-alignment * 8 // 6)
    last = (alignment + len(raw)) * 8 // 6
    return coded[first:last]


def _distinct(forms: Iterable[tuple[str, bytes]]) -> tuple[tuple[str, bytes], ...]:
    found: dict[bytes, str] = {}
    for name, needle in forms:
        if len(needle) >= MIN_BYTES or name == "packed":
            found.setdefault(needle, name)
    return tuple((name, needle) for needle, name in found.items())


def base58(raw: bytes) -> str:
    """Bitcoin's base58, as PeerIds are written in."""
    number = int.from_bytes(raw, "big")
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = _B58[digit] + digits
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + digits


def unbase58(coded: str) -> bytes:
    """The reverse. Raises ValueError for a character that is not of it."""
    number = 0
    for character in coded:
        number = number * 58 + _B58.index(character)
    zeros = len(coded) - len(coded.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
