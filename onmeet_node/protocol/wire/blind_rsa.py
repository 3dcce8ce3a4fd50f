"""Blind RSA signatures (RFC 9474): a signature of what the signer never saw.

RSABSSA-SHA384-PSS and -PSSZERO, both deterministic: what is signed is the message as it is, since a
token's input holds a nonce already (RFC 9578, section 6). No maintained package of PyPI has them.
The signer's half is the issuer's (`onmeet_bootstrap.accounts.signing`).

NOTE: Python's integers take a time that depends on their value. Here that can be measured by
programs of the person's own machine alone: the blind never leaves it, and the issuer sees when a
request comes, not what was computed when. The private key is never in these functions.
"""

from __future__ import annotations

import hashlib

import attrs
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA384

from onmeet_node.protocol.errors import LocalProtocolError, RemoteProtocolError

HASH_BYTES = 48
SALT_BYTES = 48
"""Of RSABSSA-SHA384-PSS; 0 of PSSZERO."""
BLIND_SPARE_BYTES = 16
"""More than the modulus has: reduced by it, so many random bytes are as good as evenly spread."""
_ZEROS = bytes(8)


class BadBlindSignature(RemoteProtocolError):
    """What a signer gave back is no signature of what it was asked to sign."""

    def __init__(self) -> None:
        super().__init__(
            "The issuer's answer is no signature under the key that it names. Buy again; if this "
            "persists, tell its operator."
        )


@attrs.frozen
class RsaKey:
    """The public half of a key: modulus and exponent."""

    n: int
    e: int

    @property
    def bits(self) -> int:
        """Of the modulus."""
        return self.n.bit_length()

    @property
    def size(self) -> int:
        """Bytes of the modulus, and so of every signature."""
        return (self.bits + 7) // 8


@attrs.frozen
class BlindedMessage:
    """What the signer is given, and what takes the blind off its answer."""

    message: bytes
    inverse: int = attrs.field(repr=False)


def blind(key: RsaKey, message: bytes, *, salt: bytes, randomness: bytes) -> BlindedMessage:
    """Blinds a message (RFC 9474, section 4.2). `salt`: `SALT_BYTES` random bytes, or none.

    `randomness`: `key.size + BLIND_SPARE_BYTES` random bytes, used once. Raises
    `LocalProtocolError` for fewer, or when message or blind share a factor with the modulus, which
    no honest key lets happen.
    """
    if len(randomness) < key.size + BLIND_SPARE_BYTES:
        raise LocalProtocolError("A blind needs more random bytes than the key has.")
    r = int.from_bytes(randomness, "big") % (key.n - 1) + 1
    encoded = int.from_bytes(encode_pss(message, key.bits - 1, salt), "big")
    try:
        pow(encoded, -1, key.n)
        inverse = pow(r, -1, key.n)
    except ValueError:
        raise LocalProtocolError("This key has small factors: it is no RSA key.") from None
    z = encoded * pow(r, key.e, key.n) % key.n
    return BlindedMessage(z.to_bytes(key.size, "big"), inverse)


def finalize(
    key: RsaKey, message: bytes, blinded: BlindedMessage, answer: bytes, salt: int
) -> bytes:
    """The signature of `message`, the blind taken off (section 4.4); `salt`: its bytes.

    Raises `BadBlindSignature` if it is none.
    """
    if len(answer) != key.size:
        raise BadBlindSignature
    s = int.from_bytes(answer, "big") * blinded.inverse % key.n
    signature = s.to_bytes(key.size, "big")
    if not verifies(key, message, signature, salt):
        raise BadBlindSignature
    return signature


def verifies(key: RsaKey, message: bytes, signature: bytes, salt: int = SALT_BYTES) -> bool:
    """Whether this is a signature of `message` (RSASSA-PSS-VERIFY, by OpenSSL)."""
    public = RSAPublicNumbers(key.e, key.n).public_key()
    try:
        public.verify(signature, message, PSS(MGF1(SHA384()), salt), SHA384())
    except InvalidSignature:
        return False
    return True


def encode_pss(message: bytes, bits: int, salt: bytes) -> bytes:
    """EMSA-PSS-ENCODE of RFC 8017, section 9.1.1, with SHA-384; of `bits` bits."""
    size = (bits + 7) // 8
    if size < HASH_BYTES + len(salt) + 2:
        raise LocalProtocolError("The key is too short for this salt.")
    digest = hashlib.sha384(message).digest()
    h = hashlib.sha384(_ZEROS + digest + salt).digest()
    block = bytes(size - len(salt) - HASH_BYTES - 2) + b"\x01" + salt
    masked = bytearray(a ^ b for a, b in zip(block, _mgf1(h, len(block)), strict=True))
    masked[0] &= 0xFF >> (8 * size - bits)
    return bytes(masked) + h + b"\xbc"


def _mgf1(seed: bytes, length: int) -> bytes:
    """RFC 8017, B.2.1."""
    blocks = range(-(-length // HASH_BYTES))
    made = b"".join(hashlib.sha384(seed + n.to_bytes(4, "big")).digest() for n in blocks)
    return made[:length]
