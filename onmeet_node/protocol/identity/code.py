"""Contact codes: what one person hands another so that they can be found and called.

The bytes of a code, version 1 (numbers big-endian)::

    version u8 | length of all u16 | identity 32 | secret 16 | expires u32 |
    name length u8 | name UTF-8 | count u8 | count times (length u8 | multiaddr) | crc32 u32

They are written in Crockford's base32, most significant bit first, the last character filled with
zero bits. Version, length and CRC-32 (ISO 3309, as in zlib, over all bytes before it) stay in their
places in every later version, so that damage is told apart from a newer code. Bytes between the
last address and the checksum are ignored: room for additions.
"""

from __future__ import annotations

import io
import re
import zlib
from typing import Any

import attrs
from attrs import validators as v

from onmeet_node.protocol.wire.pasted import MAX_PASTED_CHARS, split_at, unwrapped

from .address import pack_address, unpack_address
from .audience import ANYONE_SECRET
from .blinding import SECRET_BYTES
from .errors import (
    BadAddress,
    BadKey,
    CodeBadCharacter,
    CodeBadKey,
    CodeEmpty,
    CodeError,
    CodeExpired,
    CodeForeign,
    CodeIsGuestLink,
    CodeMalformed,
    CodeTooLong,
    CodeTooNew,
    CodeTruncated,
    CodeTypo,
)
from .keys import KEY_BYTES, require_point
from .text import clean_text

SCHEME = "onmeet:"
VERSION = 1
MAX_NAME_CHARS = 40
"""Shorter than a card's name: each character makes the code longer."""
MAX_BOOTSTRAPS = 3
MAX_EXPIRES = 2**32 - 1
MAX_CODE_BYTES = 1_024
"""The longest code of version 1 has 730; later versions may grow."""
_HEADER_BYTES = 3
_HEADER_SYMBOLS = 5
_CRC_BYTES = 4
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUE = {symbol: value for value, symbol in enumerate(_ALPHABET)} | {"o": 0, "i": 1, "l": 1}
"""What people read as another character is that character (Crockford)."""
_SKIPPED = re.compile(r"[\s=>\u00ad\u200b-\u200f\u2060\ufeff\u2010-\u2012-]")
"""Mail programs wrap lines (quoted-printable by ``=``, answers with ``>``) and hyphenate; people
group."""
_SYMBOL_BITS = 5
_LINK_MARK = "/c#"


def _name(value: str | None) -> str | None:
    return (clean_text(value, MAX_NAME_CHARS) or None) if value is not None else None


def _bootstraps(value: tuple[str, ...]) -> tuple[str, ...]:
    """In canonical form, so that a code read back equals the one written."""
    return tuple(unpack_address(pack_address(address)) for address in value)


@attrs.frozen
class ContactCode:
    """An identity, the secret of an audience, and what helps to find it.

    Raises `BadKey` or `BadAddress` if it cannot be made of these.
    """

    identity: bytes = attrs.field(converter=bytes)
    secret: bytes = attrs.field(
        default=ANYONE_SECRET,
        repr=False,
        validator=v.and_(v.instance_of(bytes), v.min_len(SECRET_BYTES), v.max_len(SECRET_BYTES)),
    )
    name: str | None = attrs.field(default=None, converter=_name)
    """What its maker calls themselves; at most 40 characters, cleaned."""
    bootstraps: tuple[str, ...] = attrs.field(
        default=(), converter=_bootstraps, validator=v.max_len(MAX_BOOTSTRAPS)
    )
    """Multiaddrs with `/p2p/` of up to 3 bootstraps where its maker is found."""
    expires: int | None = attrs.field(
        default=None, validator=v.optional(v.and_(v.ge(1), v.le(MAX_EXPIRES)))
    )
    """Unix seconds from which on its maker no longer answers to it; None: never."""

    @identity.validator
    def _check_identity(self, _attribute: object, value: bytes) -> None:
        require_point(value)

    def payload(self) -> str:
        """The code alone, without prefix, in lower case."""
        name = (self.name or "").encode()
        body = (
            self.identity
            + self.secret
            + (self.expires or 0).to_bytes(4, "big")
            + _counted(name)
            + bytes([len(self.bootstraps)])
            + b"".join(_counted(pack_address(address)) for address in self.bootstraps)
        )
        length = _HEADER_BYTES + len(body) + _CRC_BYTES
        data = bytes([VERSION]) + length.to_bytes(2, "big") + body
        return _base32(data + _crc(data))

    def uri(self) -> str:
        """The code as `onmeet:…`."""
        return SCHEME + self.payload()

    def link(self, base: str) -> str:
        """The code as `https://…/c#…`; `base` is the page's origin, such as https://example.org.

        Browsers send nothing after the # to the server. Raises `CodeError` for another scheme.
        """
        if not base.startswith(("https://", "http://")) or "#" in base:
            raise CodeError(
                f"A link cannot begin with {base!r}; give an address like https://example.org."
            )
        return base.rstrip("/") + _LINK_MARK + self.payload()

    def require_live(self, now: int) -> None:
        """Raises `CodeExpired` if the code has expired at `now` (Unix seconds)."""
        if self.expires is not None and now >= self.expires:
            raise CodeExpired


def parse_code(text: str) -> ContactCode:
    """The code in `text`: a URI, a link, or the bare characters, in either case.

    Spaces, line breaks and hyphens within it do not matter, nor text around it that is set off by
    spaces or punctuation. Raises the subclass of `CodeError` that names the damage and the remedy,
    and nothing else. Any one character changed is noticed: CRC-32 finds every burst of 32 bits.
    """
    data = _read_symbols(_find_payload(text))
    version = data[0]
    if version != VERSION:
        raise CodeTooNew(version) if version > VERSION else CodeMalformed("it has no version")
    return _read_version_1(data[_HEADER_BYTES:-_CRC_BYTES])


def qr_svg(text: str) -> str:
    """A QR code as an SVG document, black on white with its quiet zone."""
    out = io.BytesIO()
    _qr(text).save(out, kind="svg", scale=4, dark="#000", light="#fff", xmldecl=False)
    return out.getvalue().decode()


def qr_terminal(text: str) -> str:
    """A QR code in half-block characters, for a terminal with light text on a dark background."""
    out = io.StringIO()
    _qr(text).terminal(out=out, compact=True)
    return out.getvalue()


def _qr(text: str) -> Any:
    import segno  # noqa: PLC0415 - only who draws a QR code pays for the import

    # Capitals and digits take 5.5 bits each instead of 8, and a code reads the same in capitals.
    shown = text.upper() if text.startswith(SCHEME) else text
    return segno.make_qr(shown, error="m")


def _find_payload(text: str) -> str:
    """What follows the prefix; raises `CodeError` if `text` is plainly something else."""
    if len(text) > MAX_PASTED_CHARS:
        raise CodeForeign
    lowered = unwrapped(text).strip().lower()
    if not lowered:
        raise CodeEmpty
    # The link is looked for first: its host may be called onmeet, and have a port.
    link = split_at(lowered, "c")
    if link is not None:
        return link[1]
    for prefix in (SCHEME + "//", SCHEME):
        _, found, payload = lowered.partition(prefix)
        if found:
            return payload
    if split_at(lowered, "j") is not None:
        raise CodeIsGuestLink
    if not all(symbol in _VALUE or _SKIPPED.match(symbol) for symbol in lowered):
        raise CodeForeign
    return lowered


def _read_symbols(payload: str) -> bytes:
    """The bytes of a whole, undamaged code; raises the `CodeError` naming the damage."""
    symbols: list[int] = []
    need = _SHORTEST
    for symbol in payload:
        skipped = _SKIPPED.match(symbol)
        if len(symbols) == need and symbol not in _VALUE:
            break
        if skipped:
            continue
        value = _VALUE.get(symbol)
        if value is None:
            raise CodeBadCharacter(symbol, len(symbols) + 1)
        symbols.append(value)
        if len(symbols) == _HEADER_SYMBOLS:
            need = _symbols_declared(symbols)
    if len(symbols) < need:
        raise CodeTruncated(len(symbols), need)
    if len(symbols) > need:
        raise CodeTooLong(len(symbols), need)
    data = _from_base32(symbols)
    if data[-_CRC_BYTES:] != _crc(data[:-_CRC_BYTES]):
        raise CodeTypo
    return data


def _symbols_declared(header: list[int]) -> int:
    """How many characters a code with these first five has."""
    bits = sum(value << _SYMBOL_BITS * (4 - at) for at, value in enumerate(header))
    length = bits >> 1 & 0xFFFF
    if not _HEADER_BYTES + _CRC_BYTES < length <= MAX_CODE_BYTES:
        raise CodeTypo
    return _symbols(length)


def _read_version_1(body: bytes) -> ContactCode:
    """The fields between header and checksum; raises `CodeMalformed`."""
    reader = io.BytesIO(body)

    def take(size: int) -> bytes:
        taken = reader.read(size)
        if len(taken) < size:
            raise CodeMalformed("it ends within a field")
        return taken

    identity = take(KEY_BYTES)
    secret = take(SECRET_BYTES)
    expires = int.from_bytes(take(4), "big")
    packed_name = take(take(1)[0])
    count = take(1)[0]
    if count > MAX_BOOTSTRAPS:
        raise CodeMalformed(f"it names {count} bootstraps, and {MAX_BOOTSTRAPS} are allowed")
    try:
        return ContactCode(
            identity=identity,
            secret=secret,
            name=packed_name.decode(),
            bootstraps=tuple(unpack_address(take(take(1)[0])) for _ in range(count)),
            expires=expires or None,
        )
    except BadKey as error:
        raise CodeBadKey from error
    except BadAddress as error:
        raise CodeMalformed("the address of a bootstrap in it is wrong") from error
    except UnicodeDecodeError as error:
        raise CodeMalformed("the name in it is not text") from error


def _counted(field: bytes) -> bytes:
    return bytes([len(field)]) + field


def _crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(_CRC_BYTES, "big")


def _symbols(size: int) -> int:
    """Characters that `size` bytes make."""
    return -(-size * 8 // _SYMBOL_BITS)


def _base32(data: bytes) -> str:
    count = _symbols(len(data))
    bits = int.from_bytes(data, "big") << (count * _SYMBOL_BITS - len(data) * 8)
    return "".join(_ALPHABET[bits >> _SYMBOL_BITS * (count - 1 - at) & 31] for at in range(count))


def _from_base32(symbols: list[int]) -> bytes:
    """The bytes; raises `CodeTypo` if the last character is not filled with zero bits."""
    bits = 0
    for value in symbols:
        bits = bits << _SYMBOL_BITS | value
    size, fill = divmod(len(symbols) * _SYMBOL_BITS, 8)
    if bits & (1 << fill) - 1:
        raise CodeTypo
    return (bits >> fill).to_bytes(size, "big")


_SHORTEST = _symbols(_HEADER_BYTES + KEY_BYTES + SECRET_BYTES + 6 + _CRC_BYTES)
"""Characters of a code of version 1 without name and bootstraps."""
