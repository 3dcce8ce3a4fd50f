"""Numbers that two people compare aloud: that they have each other's keys, and this very call.

The safety number belongs to two identities and never changes. The authentication string belongs to
one call. Either is equal on both ends if nobody stands between them, and else but by a chance that
nobody can better.
"""

from __future__ import annotations

import hashlib
import re

from .errors import BadFingerprint
from .keys import require_point

SAFETY_DIGITS = 60
SAS_DIGITS = 6

_SAFETY_ROUNDS = 5_200
"""As in Signal: 2^13 times dearer to search for a look-alike, a few ms to compute."""
_SAFETY_DOMAIN = b"onmeet safety number 1"
_STRING_ROUNDS = 4_096
"""Of a room's string: twelve more bits of work for whoever searches."""
_SAS_DOMAIN = b"onmeet call string 2"
_FINGERPRINT = re.compile(
    r"^a=fingerprint:sha-256[ \t]+((?:[0-9a-f]{2}:){31}[0-9a-f]{2})[ \t]*\r?$",
    re.IGNORECASE | re.MULTILINE,
)


def safety_number(a: bytes, b: bytes) -> str:
    """The 60 digits that verify two identities, the same whichever is named first.

    Signal's construction (NumericFingerprintGenerator): 30 digits of each identity, the lesser
    first, so that each half is found again in every safety number of that person. Show them with
    `grouped`, and as a QR code. Raises `BadKey` if either is no valid identity.
    """
    halves = (numeric_fingerprint(require_point(key), _SAFETY_DOMAIN) for key in (a, b))
    return "".join(sorted(halves))


def numeric_fingerprint(key: bytes, label: bytes, rounds: int = _SAFETY_ROUNDS) -> str:
    """30 digits of a key: SHA-512 iterated over 0x0000 || key || label, then over hash || key.

    Each 5 of the first 30 bytes, big-endian, mod 100000.
    """
    return _digits(_iterated(b"\0\0" + key + label, key, rounds), groups=6)


def sas(
    binding: bytes, fingerprint_a: bytes, fingerprint_b: bytes, nonces: tuple[bytes, bytes]
) -> str:
    """The short authentication string of one generation of a call: 6 digits, as “012 345”.

    Made from what names both ends (the same on both), the SHA-256 fingerprints of both DTLS
    certificates (32 bytes each, in any order), and the nonces of the one who offered and the one
    who answered.

    Digits, because they are read the same in every language: two people whose apps speak
    different ones would see different words, and no list of words that sound apart is kept for
    all of ours. Six, because nobody can search: whoever stands between has committed to one nonce
    before knowing the other (`protocol.call.authentication`), and so has one guess of a million.
    """
    for fingerprint in (fingerprint_a, fingerprint_b):
        if len(fingerprint) != 32:
            raise BadFingerprint("A SHA-256 fingerprint has 32 bytes; take it from the SDP.")
    low, high = sorted((fingerprint_a, fingerprint_b))
    seed = _SAS_DOMAIN + binding + low + high + b"".join(nonces)
    digest = hashlib.blake2b(seed, digest_size=32).digest()
    return grouped(_digits(digest, groups=1, size=SAS_DIGITS), 3)


def short_string(domain: bytes, seed: bytes) -> str:
    """12 digits, as “0123 4567 8901”, of a seed that is dear to search for."""
    return grouped(_digits(_iterated(domain + seed, seed, _STRING_ROUNDS), groups=3, size=4), 4)


def fingerprint_from_sdp(sdp: str) -> bytes:
    """The SHA-256 of the DTLS certificate that an SDP announces (RFC 8122), 32 bytes.

    It may be repeated for each kind of media, and stand next to other hashes. Raises
    `BadFingerprint` if there is none, or if the SDP names different certificates.
    """
    found = {match.upper() for match in _FINGERPRINT.findall(sdp)}
    if not found:
        raise BadFingerprint(
            "The other side's session description names no SHA-256 fingerprint, so the call cannot "
            "be verified; hang up and have the other side update its program."
        )
    if len(found) > 1:
        raise BadFingerprint(
            "The other side's session description names several certificates, so the call cannot "
            "be verified; hang up and have the other side update its program."
        )
    return bytes.fromhex(found.pop().replace(":", ""))


def grouped(digits: str, size: int = 5) -> str:
    """`digits` in groups of `size` with spaces between, to be read aloud."""
    return " ".join(digits[at : at + size] for at in range(0, len(digits), size))


def _iterated(first: bytes, again: bytes, rounds: int) -> bytes:
    digest = first
    for _ in range(rounds):
        digest = hashlib.sha512(digest + again).digest()
    return digest


def _digits(digest: bytes, *, groups: int, size: int = 5) -> str:
    """`groups` times `size` decimal digits, of 5 bytes each: the bias is below 2^-23."""
    numbers = (int.from_bytes(digest[5 * n : 5 * n + 5], "big") for n in range(groups))
    return "".join(f"{number % 10**size:0{size}d}" for number in numbers)
