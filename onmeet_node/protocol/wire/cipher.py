"""The cryptographic functions of Noise (revision 34, sections 4, 5.1 and 12), from libsodium's.

X25519 and ChaCha20-Poly1305 are PyNaCl's, BLAKE2b and HMAC the standard library's. Python cannot
wipe keys: they go when the garbage collector takes them.
"""

from __future__ import annotations

import hmac

from nacl.bindings import (
    crypto_aead_chacha20poly1305_ietf_decrypt,
    crypto_aead_chacha20poly1305_ietf_encrypt,
    crypto_scalarmult,
    crypto_scalarmult_base,
)
from nacl.exceptions import CryptoError

from onmeet_node.protocol.errors import LocalProtocolError
from onmeet_node.protocol.wire.errors import CipherError, HandshakeError

MAX_NOISE_BYTES = 65_535
"""Any Noise message, in the handshake or after it (section 3)."""
TAG_BYTES = 16
KEY_BYTES = 32
MAX_NONCE = 2**64 - 1
"""Reserved for rekey; the last number a message may have is one less (section 5.1)."""


class CipherState:
    """One direction of a channel (section 5.1). Messages open in the order they were sealed."""

    def __init__(self, key: bytes, nonce: int = 0) -> None:
        self._key = key
        self._nonce = nonce

    @property
    def messages(self) -> int:
        """How many messages have gone through."""
        return self._nonce

    def encrypt(self, ad: bytes, plaintext: bytes) -> bytes:
        """Seals up to 65,519 bytes; 16 are added.

        Raises `LocalProtocolError` for more, and after 2^64-1 messages.
        """
        if len(plaintext) > MAX_NOISE_BYTES - TAG_BYTES:
            raise LocalProtocolError(
                f"A sealed message carries at most {MAX_NOISE_BYTES - TAG_BYTES} bytes; split it."
            )
        if self._nonce >= MAX_NONCE:
            raise LocalProtocolError("This channel's numbers are used up; open a new one.")
        sealed = _seal(self._key, self._nonce, ad, plaintext)
        self._nonce += 1
        return sealed

    def decrypt(self, ad: bytes, ciphertext: bytes) -> bytes:
        """Opens the next message. Raises `CipherError` and then expects the same message still."""
        if not TAG_BYTES <= len(ciphertext) <= MAX_NOISE_BYTES:
            raise CipherError(f"a message has {len(ciphertext)} bytes, which none of ours has")
        if self._nonce >= MAX_NONCE:
            raise CipherError("its numbers are used up")
        try:
            plaintext = crypto_aead_chacha20poly1305_ietf_decrypt(
                ciphertext, ad, _nonce_bytes(self._nonce), self._key
            )
        except CryptoError:
            raise CipherError("a message was altered, repeated or lost") from None
        self._nonce += 1
        return plaintext

    def rekey(self) -> None:
        """Replaces the key by one from which it cannot be computed (section 4.2).

        Both sides do it at the same place of the same direction; the numbering goes on.
        """
        self._key = _seal(self._key, MAX_NONCE, b"", bytes(KEY_BYTES))[:KEY_BYTES]


def x25519_public(private: bytes) -> bytes:
    """The public key of a private key (section 12.1)."""
    return crypto_scalarmult_base(private)


def x25519(private: bytes, public: bytes) -> bytes:
    """X25519. Raises `HandshakeError` for an all-zero result (section 12.1 leaves it to us).

    Such a secret would be known to everybody, whatever our private key is.
    """
    try:
        return crypto_scalarmult(private, public)
    except CryptoError:
        raise HandshakeError("it sent a key with which no secret can be had") from None


def hkdf(chaining_key: bytes, material: bytes, outputs: int) -> list[bytes]:
    """HKDF of section 4.3, with HMAC-BLAKE2b: 2 or 3 outputs of 64 bytes."""
    temporary = hmac.digest(chaining_key, material, "blake2b")
    results: list[bytes] = []
    last = b""
    for number in range(1, outputs + 1):
        last = hmac.digest(temporary, last + bytes([number]), "blake2b")
        results.append(last)
    return results


def _seal(key: bytes, nonce: int, ad: bytes, plaintext: bytes) -> bytes:
    return crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, ad, _nonce_bytes(nonce), key)


def _nonce_bytes(nonce: int) -> bytes:
    """32 zero bits, then the number, little-endian (section 12.3)."""
    return bytes(4) + nonce.to_bytes(8, "little")
