"""A random key under a passphrase: Argon2id (RFC 9106), then XChaCha20-Poly1305."""

from __future__ import annotations

import secrets
import unicodedata
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import Any, Self

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id

from onmeet_node.store.errors import BadPassphrase, UnlockError, WrongPassphrase

KEY_BYTES = 32
NONCE_BYTES = 24
TAG_BYTES = 16
MAX_PASSPHRASE_CHARS = 1024
MAX_KDF_MEMORY = 1 << 30
"""A header that asks for more than 1 GiB was tampered with, or would stop the machine."""
MAX_KDF_PASSES = 16


@dataclass(frozen=True, slots=True)
class KdfCost:
    """What Argon2id (RFC 9106) spends: `memory` in bytes, `passes` over it.

    The default takes 0.1-0.3 s on a laptop and 64 MiB, libsodium's "interactive" setting.
    """

    passes: int = argon2id.OPSLIMIT_INTERACTIVE
    memory: int = argon2id.MEMLIMIT_INTERACTIVE

    @property
    def sane(self) -> bool:
        """Within what libsodium can do and this machine should."""
        return (
            argon2id.OPSLIMIT_MIN <= self.passes <= MAX_KDF_PASSES
            and argon2id.MEMLIMIT_MIN <= self.memory <= MAX_KDF_MEMORY
        )


@dataclass(frozen=True, slots=True)
class Passphrase:
    """The person types it at every start. `cost` counts only when something new is sealed."""

    text: str = field(repr=False)
    cost: KdfCost = KdfCost()


@dataclass(frozen=True, slots=True)
class SealedKey:
    """What a plaintext header holds of a sealed key."""

    cost: KdfCost
    salt: bytes
    box: bytes

    @classmethod
    def seal(cls, key: bytes, passphrase: Passphrase) -> Self:
        """Seals `key`. Raises `BadPassphrase` for an empty or endless passphrase."""
        if not passphrase.text.strip():
            raise BadPassphrase("The passphrase is empty. Choose one, or a key file instead.")
        if not passphrase.cost.sane:
            raise BadPassphrase("The cost given for the passphrase is out of range.")
        salt, nonce = secrets.token_bytes(argon2id.SALTBYTES), secrets.token_bytes(NONCE_BYTES)
        under = _stretch(passphrase.text, salt, passphrase.cost)
        box = nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(key, b"", nonce, under)
        return cls(passphrase.cost, salt, box)

    def open(self, passphrase: str) -> bytes:
        """The key. Raises `WrongPassphrase`. Takes the time and memory of `cost`."""
        under = _stretch(passphrase, self.salt, self.cost)
        nonce, sealed = self.box[:NONCE_BYTES], self.box[NONCE_BYTES:]
        try:
            return crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, b"", nonce, under)
        except CryptoError:
            raise WrongPassphrase from None

    def to_json(self) -> dict[str, Any]:
        """As it stands in plaintext headers."""
        return {
            "kdf": "argon2id13",
            "passes": self.cost.passes,
            "memory": self.cost.memory,
            "salt": b64encode(self.salt).decode(),
            "box": b64encode(self.box).decode(),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Raises ValueError, TypeError or KeyError on anything that `to_json` did not make."""
        cost = KdfCost(passes=int(value["passes"]), memory=int(value["memory"]))
        sealed = cls(cost, b64decode(value["salt"]), b64decode(value["box"], validate=True))
        if value["kdf"] != "argon2id13" or not cost.sane:
            raise ValueError("unknown or unreasonable key derivation")
        if (
            len(sealed.salt) != argon2id.SALTBYTES
            or len(sealed.box) != NONCE_BYTES + KEY_BYTES + TAG_BYTES
        ):
            raise ValueError("wrong lengths")
        return sealed


def _stretch(passphrase: str, salt: bytes, cost: KdfCost) -> bytes:
    # NFC: keyboards differ in whether they send é as one character or two.
    text = unicodedata.normalize("NFC", passphrase)
    if len(text) > MAX_PASSPHRASE_CHARS:
        raise BadPassphrase(f"The passphrase is over {MAX_PASSPHRASE_CHARS} characters long.")
    try:
        key: bytes = argon2id.kdf(
            KEY_BYTES, text.encode(), salt, opslimit=cost.passes, memlimit=cost.memory
        )
    except (MemoryError, CryptoError, RuntimeError) as error:
        raise UnlockError(
            f"There are not {cost.memory >> 20} MiB of free memory to check the passphrase with. "
            "Close something and try again."
        ) from error
    return key
