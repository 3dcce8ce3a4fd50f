"""Publicly verifiable tokens (RFC 9577, and RFC 9578 type 2): paid for once, and never tied to it.

A node blinds a token, the issuer signs what it cannot read, and the bootstrap that it is spent at
checks the signature. Every token of a week fits every purchase of that week (ARCHITECTURE,
"Tokens"). Random bytes and the time are arguments.
"""

from __future__ import annotations

import hashlib

import attrs

from onmeet_node.protocol.errors import RemoteProtocolError
from onmeet_node.protocol.wire.blind_rsa import (
    BLIND_SPARE_BYTES,
    SALT_BYTES,
    BlindedMessage,
    RsaKey,
    blind,
    finalize,
    verifies,
)

# ── fixed by the RFCs ────────────────────────────────────────────────────────────────────────────
TOKEN_TYPE = 2
KEY_BITS = 2_048
SIGNATURE_BYTES = KEY_BITS // 8
NONCE_BYTES = 32
DIGEST_BYTES = 32
TOKEN_BYTES = 2 + NONCE_BYTES + 2 * DIGEST_BYTES + SIGNATURE_BYTES
REQUEST_BYTES = 2 + 1 + SIGNATURE_BYTES
EXPONENT = 65_537
_TYPE = TOKEN_TYPE.to_bytes(2, "big")
# A SubjectPublicKeyInfo with id-RSASSA-PSS, SHA-384, MGF1 with SHA-384 and a salt of 48 bytes (RFC
# 9578, section 6.5), of a modulus of 2,048 bits and the exponent 65537: all but the modulus.
_SPKI_HEAD = bytes.fromhex(
    "30820152303d06092a864886f70d01010a3030a00d300b0609608648016503040202a11a301806092a864886f70d"
    "010108300b0609608648016503040202a2030201300382010f003082010a0282010100"
)
_SPKI_TAIL = bytes.fromhex("0203010001")
SPKI_BYTES = len(_SPKI_HEAD) + SIGNATURE_BYTES + len(_SPKI_TAIL)

# ── fixed by this protocol ───────────────────────────────────────────────────────────────────────
MAX_PUBLISHED_KEYS = 2
"""This week's and the next one's. More could be a key for each of several people."""
MAX_BATCH = 512
"""Tokens of one purchase."""
RANDOM_BYTES = NONCE_BYTES + SALT_BYTES + SIGNATURE_BYTES + BLIND_SPARE_BYTES
"""That one token is made of."""


class BadToken(RemoteProtocolError):
    """What is no token, no request for one, or no key of an issuer."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}. Update the program that made it, or buy new tokens.")


def challenge(issuer: str, origin: str) -> bytes:
    """A TokenChallenge (RFC 9577, section 2.1.1) without a redemption context.

    `issuer`: its host name. `origin`: the PeerId of the bootstrap, so that no two need to tell each
    other what was spent. Both ASCII.
    """
    names = (issuer.encode("ascii"), b"", origin.encode("ascii"))
    long = [len(name).to_bytes(2, "big") + name for name in (names[0], names[2])]
    return _TYPE + long[0] + b"\x00" + long[1]


def challenge_digest(issuer: str, origin: str) -> bytes:
    """What a token holds of its challenge."""
    return hashlib.sha256(challenge(issuer, origin)).digest()


@attrs.frozen
class TokenKey:
    """An issuer's public key: RSA of 2,048 bits, the exponent 65537, and nothing else."""

    rsa: RsaKey

    @classmethod
    def decode(cls, spki: bytes) -> TokenKey:
        """From a SubjectPublicKeyInfo, which has one form. Raises `BadToken`."""
        head, n, tail = spki[: len(_SPKI_HEAD)], spki[len(_SPKI_HEAD) : -5], spki[-5:]
        # NOTE: with the first bit set and odd: anything else is no product of two large primes.
        whole = len(n) == SIGNATURE_BYTES and n[0] & 0x80 and n[-1] & 1
        if head != _SPKI_HEAD or tail != _SPKI_TAIL or not whole:
            raise BadToken("That is no key for tokens of type 2")
        return cls(RsaKey(int.from_bytes(n, "big"), EXPONENT))

    def encode(self) -> bytes:
        """As a directory has it."""
        return _SPKI_HEAD + self.rsa.n.to_bytes(SIGNATURE_BYTES, "big") + _SPKI_TAIL

    @property
    def id(self) -> bytes:
        """By which tokens, and a bootstrap's description, name it: 32 bytes."""
        return hashlib.sha256(self.encode()).digest()


@attrs.frozen
class Token:
    """A token as it is spent (RFC 9577, section 2.2)."""

    nonce: bytes = attrs.field(repr=False)
    challenge_digest: bytes
    key_id: bytes
    authenticator: bytes = attrs.field(repr=False)

    @classmethod
    def decode(cls, data: bytes) -> Token:
        """From `TOKEN_BYTES` bytes. Raises `BadToken`."""
        if len(data) != TOKEN_BYTES or data[:2] != _TYPE:
            raise BadToken("That is no token of type 2")
        return cls(data[2:34], data[34:66], data[66:98], data[98:])

    def encode(self) -> bytes:
        """As it travels."""
        return self.signed + self.authenticator

    @property
    def signed(self) -> bytes:
        """What the issuer signed without seeing it."""
        return _TYPE + self.nonce + self.challenge_digest + self.key_id

    def verifies(self, key: TokenKey) -> bool:
        """Whether the issuer with this key signed it."""
        return key.id == self.key_id and verifies(key.rsa, self.signed, self.authenticator)


@attrs.frozen
class BlindedToken:
    """A token that the issuer has yet to sign: what it is asked, and what makes a token of the
    answer. Made again from the same random bytes it is the same.
    """

    request: bytes
    """A TokenRequest (RFC 9578, section 6.1): type, the last byte of the key's id, blinded."""
    _signed: bytes = attrs.field(repr=False)
    _blinded: BlindedMessage = attrs.field(repr=False)
    _key: TokenKey

    @classmethod
    def make(cls, key: TokenKey, digest: bytes, randomness: bytes) -> BlindedToken:
        """Of `RANDOM_BYTES` random bytes, which must be kept until it is signed, and no longer.

        `digest`: of `challenge_digest`. Raises `LocalProtocolError`.
        """
        nonce, rest = randomness[:NONCE_BYTES], randomness[NONCE_BYTES:]
        signed = _TYPE + nonce + digest + key.id
        blinded = blind(key.rsa, signed, salt=rest[:SALT_BYTES], randomness=rest[SALT_BYTES:])
        return cls(_TYPE + key.id[-1:] + blinded.message, signed, blinded, key)

    def finish(self, answer: bytes) -> bytes:
        """The token. Raises `BadBlindSignature`.

        NOTE: that it verifies says more than that it will be taken. An issuer could choose a key
        for which blinding hides less (a factor p with 65537 dividing p - 1), and then be able to
        sign but one message in 65,537.
        """
        signature = finalize(self._key.rsa, self._signed, self._blinded, answer, SALT_BYTES)
        return self._signed + signature


def blinded_of(request: bytes, key: TokenKey) -> bytes:
    """What an issuer is to sign of a TokenRequest. Raises `BadToken`, for another key's too."""
    if len(request) != REQUEST_BYTES or request[:2] != _TYPE:
        raise BadToken("That is no request for a token of type 2")
    if request[2:3] != key.id[-1:]:
        raise BadToken("That request is for another key of the issuer")
    return request[3:]
