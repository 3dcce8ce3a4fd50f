"""Addresses and PeerIds as few bytes: the binary form of multiaddr, for records and codes.

https://github.com/multiformats/multiaddr and libp2p's peer-ids specification. The `multiaddr`
package is `net/`'s; this is the part of the format that On-Meet puts into its own messages.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

from .errors import BadAddress

MAX_ADDRESS_BYTES = 160
"""Of one packed address: a relay under a DNS name of ordinary length has room."""
_MAX_PEER_BYTES = 48
_MAX_HOST_CHARS = 127
_HOST = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")
"""As DNS has it; names in other scripts come in their xn-- form."""
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def pack_peer_id(text: str) -> bytes:
    """The multihash of a base58 PeerId; 38 bytes for Ed25519 keys. Raises `BadAddress`."""
    value = 0
    if not 0 < len(text) <= 2 * _MAX_PEER_BYTES:
        raise BadAddress("A PeerId of this length does not exist; ask for the address again.")
    for character in text:
        digit = _BASE58.find(character)
        if digit < 0:
            raise BadAddress(
                f"A PeerId contains no {character!r}; compare it with the original address."
            )
        value = value * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    packed = bytes(zeros) + value.to_bytes((value.bit_length() + 7) // 8, "big")
    _require_multihash(packed)
    return packed


def unpack_peer_id(packed: bytes) -> str:
    """The base58 form of a PeerId's multihash. Raises `BadAddress`."""
    _require_multihash(packed)
    value, digits = int.from_bytes(packed, "big"), ""
    while value:
        value, digit = divmod(value, 58)
        digits = _BASE58[digit] + digits
    zeros = len(packed) - len(packed.lstrip(b"\0"))
    return "1" * zeros + digits


def pack_address(text: str) -> bytes:
    """The binary form of a multiaddr of the protocols On-Meet uses. Raises `BadAddress`."""
    if not text.startswith("/"):
        raise BadAddress(f"An address begins with “/”, as in /ip4/192.0.2.1/tcp/4001: {text!r}.")
    parts = text[1:].split("/")
    packed = b""
    while parts:
        name = parts.pop(0)
        protocol = _BY_NAME.get(name)
        if protocol is None:
            raise BadAddress(f"{name!r} in the address {text!r} is not a protocol On-Meet uses.")
        packed += _varint(protocol.code)
        if protocol.size == 0:
            continue
        if not parts:
            raise BadAddress(f"The address {text!r} ends after {name!r}; its value is missing.")
        try:
            value = protocol.pack(parts.pop(0))
        except ValueError as error:
            raise BadAddress(f"The value of {name!r} in {text!r} is wrong: {error}.") from error
        if protocol.size is None:
            packed += _varint(len(value))
        packed += value
    if len(packed) > MAX_ADDRESS_BYTES:
        raise BadAddress(f"The address {text!r} is too long; use a shorter host name.")
    return packed


def unpack_address(packed: bytes) -> str:
    """The text of a packed multiaddr. Raises `BadAddress` on anything else."""
    if not 0 < len(packed) <= MAX_ADDRESS_BYTES:
        raise BadAddress("An address of this length does not exist; ask for it again.")
    text, rest = "", packed
    while rest:
        code, rest = _read_varint(rest)
        protocol = _BY_CODE.get(code)
        if protocol is None:
            raise BadAddress(f"Protocol number {code} in an address is not one On-Meet uses.")
        text += "/" + protocol.name
        if protocol.size == 0:
            continue
        size = protocol.size
        if size is None:
            size, rest = _read_varint(rest)
        if len(rest) < size:
            raise BadAddress("An address is cut off; ask for it again.")
        try:
            text += "/" + protocol.unpack(rest[:size])
        except ValueError as error:
            raise BadAddress(f"The value of {protocol.name!r} in an address is wrong.") from error
        rest = rest[size:]
    return text


@dataclass(frozen=True)
class _Protocol:
    name: str
    code: int
    size: int | None = 0
    """Bytes of the value; None: a length goes before it."""
    pack: Callable[[str], bytes] = str.encode
    unpack: Callable[[bytes], str] = bytes.decode


def _pack_port(text: str) -> bytes:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65_535):
        raise ValueError("a port is a number from 0 to 65535")
    return int(text).to_bytes(2, "big")


def _unpack_port(packed: bytes) -> str:
    return str(int.from_bytes(packed, "big"))


def _pack_ip6(text: str) -> bytes:
    address = ipaddress.IPv6Address(text)
    if address.scope_id is not None:
        raise ValueError("a zone has a meaning on one machine only")
    return address.packed


def _pack_host(text: str) -> bytes:
    if len(text) > _MAX_HOST_CHARS or not _HOST.fullmatch(text):
        raise ValueError("a host name has parts of 1 to 63 letters, digits and hyphens")
    return text.encode()


def _unpack_host(packed: bytes) -> str:
    return _pack_host(packed.decode("ascii")).decode()


_PROTOCOLS = (
    _Protocol(
        "ip4",
        4,
        4,
        lambda text: ipaddress.IPv4Address(text).packed,
        lambda packed: str(ipaddress.IPv4Address(packed)),
    ),
    _Protocol("tcp", 6, 2, _pack_port, _unpack_port),
    _Protocol("ip6", 41, 16, _pack_ip6, lambda packed: str(ipaddress.IPv6Address(packed))),
    _Protocol("dns", 53, None, _pack_host, _unpack_host),
    _Protocol("dns4", 54, None, _pack_host, _unpack_host),
    _Protocol("dns6", 55, None, _pack_host, _unpack_host),
    _Protocol("dnsaddr", 56, None, _pack_host, _unpack_host),
    _Protocol("p2p-circuit", 290),
    _Protocol("p2p", 421, None, pack_peer_id, unpack_peer_id),
    _Protocol("tls", 448),
    _Protocol("ws", 477),
    _Protocol("wss", 478),
)
_BY_NAME = {protocol.name: protocol for protocol in _PROTOCOLS}
_BY_CODE = {protocol.code: protocol for protocol in _PROTOCOLS}


def _require_multihash(packed: bytes) -> None:
    """The two kinds of PeerId: the key itself (identity, 0x00), or its SHA-256 (0x12)."""
    fits = 2 < len(packed) <= _MAX_PEER_BYTES and packed[1] == len(packed) - 2
    if not fits or packed[0] not in (0x00, 0x12):
        raise BadAddress("This is not a PeerId; compare it with the original address.")


def _varint(value: int) -> bytes:
    """Unsigned LEB128 of a value below 2^14, which holds every code and length here."""
    return bytes([value]) if value < 128 else bytes([value & 127 | 128, value >> 7])


def _read_varint(data: bytes) -> tuple[int, bytes]:
    if data and data[0] < 128:
        return data[0], data[1:]
    if len(data) < 2 or not 0 < data[1] < 128:
        raise BadAddress("A number in an address is cut off or too large; ask for it again.")
    return data[0] & 127 | data[1] << 7, data[2:]
