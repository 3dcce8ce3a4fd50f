"""The Noise Protocol Framework, revision 34, for the two patterns of sealed channels. Sans-IO.

IK between nodes, NKpsk0 for guests, who have no key of their own; both hybrid, with ML-KEM-768
beside the ephemeral X25519 keys, as the ``hfs`` modifier of the draft "Hybrid Forward Secrecy"
places it: ``e1`` after the first Diffie-Hellman of message 1, ``ekem1`` after ``ee``. The names
of tokens and states are those of the two specifications.
"""

from __future__ import annotations

import enum
import hashlib
from typing import TypeVar

import attrs
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey

from onmeet_node.protocol.errors import LocalProtocolError
from onmeet_node.protocol.wire.cipher import (
    KEY_BYTES,
    MAX_NOISE_BYTES,
    TAG_BYTES,
    CipherState,
    hkdf,
    x25519,
    x25519_public,
)
from onmeet_node.protocol.wire.errors import CipherError, HandshakeError
from onmeet_node.protocol.wire.kem import (
    KEM_CIPHERTEXT_BYTES,
    KEM_PUBLIC_BYTES,
    KEM_SEED_BYTES,
    Encapsulate,
    KemKey,
    read_kem_public,
)

__all__ = ["HASH_BYTES", "CipherState", "Handshake"]

HASH_BYTES = 64
"""HASHLEN of BLAKE2b; also the length of the handshake hash."""

T = TypeVar("T")


class _Token(enum.Enum):
    E = "e"
    S = "s"
    EE = "ee"
    ES = "es"
    SE = "se"
    SS = "ss"
    PSK = "psk"
    E1 = "e1"
    EKEM1 = "ekem1"


@attrs.frozen
class _Pattern:
    """A handshake pattern of two messages before which the initiator knows the responder's s."""

    name: str
    messages: tuple[tuple[_Token, ...], ...]


_IK = _Pattern(
    "Noise_IKhfs_25519+MLKEM768_ChaChaPoly_BLAKE2b",
    (
        (_Token.E, _Token.ES, _Token.E1, _Token.S, _Token.SS),
        (_Token.E, _Token.EE, _Token.EKEM1, _Token.SE),
    ),
)
_NKPSK0 = _Pattern(
    "Noise_NKhfs+psk0_25519+MLKEM768_ChaChaPoly_BLAKE2b",
    (
        (_Token.PSK, _Token.E, _Token.ES, _Token.E1),
        (_Token.E, _Token.EE, _Token.EKEM1),
    ),
)


class Handshake:
    """One handshake, of one side (section 5.3): two messages, then `split`.

    `ephemeral_private` is 32 fresh random bytes, never used again, and so are the initiator's
    64 of `kem_seed`; the responder's fresh randomness is in `encapsulate`. The prologue is what
    both sides must agree on without sending it. After an error the handshake is over; only a call
    out of turn (`LocalProtocolError`) changes nothing.
    """

    def __init__(
        self,
        pattern: _Pattern,
        *,
        initiator: bool,
        prologue: bytes,
        ephemeral_private: bytes,
        static_private: bytes | None = None,
        remote_static: bytes | None = None,
        psk: bytes | None = None,
        kem_seed: bytes | None = None,
        encapsulate: Encapsulate | None = None,
    ) -> None:
        """Use `initiate_ik` and its sisters."""
        for name, key in (
            ("ephemeral_private", ephemeral_private),
            ("static_private", static_private),
            ("remote_static", remote_static),
            ("psk", psk),
        ):
            if key is not None and len(key) != KEY_BYTES:
                raise LocalProtocolError(f"{name} must have {KEY_BYTES} bytes, not {len(key)}.")
        if kem_seed is not None and len(kem_seed) != KEM_SEED_BYTES:
            raise LocalProtocolError(
                f"kem_seed must have {KEM_SEED_BYTES} bytes, not {len(kem_seed)}."
            )
        self._pattern = pattern
        self._initiator = initiator
        self._e = ephemeral_private
        self._s = static_private
        self._psk = psk
        self._e1 = None if kem_seed is None else KemKey(kem_seed)
        self._re1: MLKEM768PublicKey | None = None
        self._encapsulate = encapsulate
        self._rs = remote_static
        self._re: bytes | None = None
        self._turn = 0
        self._failed = False
        # SymmetricState (section 5.2); the key is empty until the first MixKey.
        self._h = pattern.name.encode().ljust(HASH_BYTES, b"\0")
        self._ck = self._h
        self._cipher: CipherState | None = None
        self._mix_hash(prologue)
        responder_static = remote_static if initiator else x25519_public(_known(static_private))
        self._mix_hash(_known(responder_static))

    @classmethod
    def initiate_ik(
        cls,
        static_private: bytes,
        remote_static: bytes,
        prologue: bytes,
        ephemeral_private: bytes,
        kem_seed: bytes,
    ) -> Handshake:
        """A node that opens a channel to a known key, and proves its own."""
        return cls(
            _IK,
            initiator=True,
            prologue=prologue,
            ephemeral_private=ephemeral_private,
            static_private=static_private,
            remote_static=remote_static,
            kem_seed=kem_seed,
        )

    @classmethod
    def respond_ik(
        cls,
        static_private: bytes,
        prologue: bytes,
        ephemeral_private: bytes,
        encapsulate: Encapsulate,
    ) -> Handshake:
        """A node that somebody opens a channel to; `remote_static` says who, after message 1."""
        return cls(
            _IK,
            initiator=False,
            prologue=prologue,
            ephemeral_private=ephemeral_private,
            static_private=static_private,
            encapsulate=encapsulate,
        )

    @classmethod
    def initiate_nkpsk0(
        cls,
        remote_static: bytes,
        psk: bytes,
        prologue: bytes,
        ephemeral_private: bytes,
        kem_seed: bytes,
    ) -> Handshake:
        """A guest with the door key and the psk of a link; it proves only that it has them."""
        return cls(
            _NKPSK0,
            initiator=True,
            prologue=prologue,
            ephemeral_private=ephemeral_private,
            remote_static=remote_static,
            psk=psk,
            kem_seed=kem_seed,
        )

    @classmethod
    def respond_nkpsk0(
        cls,
        static_private: bytes,
        psk: bytes,
        prologue: bytes,
        ephemeral_private: bytes,
        encapsulate: Encapsulate,
    ) -> Handshake:
        """The host behind a link."""
        return cls(
            _NKPSK0,
            initiator=False,
            prologue=prologue,
            ephemeral_private=ephemeral_private,
            static_private=static_private,
            psk=psk,
            encapsulate=encapsulate,
        )

    @property
    def finished(self) -> bool:
        """Whether both messages have passed."""
        return self._turn == len(self._pattern.messages) and not self._failed

    @property
    def handshake_hash(self) -> bytes:
        """64 bytes that both sides share and no other channel has. Raises until finished."""
        self._require_finished()
        return self._h

    @property
    def remote_static(self) -> bytes | None:
        """The other side's X25519 key: given, or proven by message 1; None for a guest."""
        return self._rs if self._initiator or self._turn > 0 else None

    @property
    def remote_ephemeral(self) -> bytes | None:
        """The other side's ephemeral key; one that was seen before means a replay (PROTOCOL)."""
        return self._re

    def write_message(self, payload: bytes = b"") -> bytes:
        """Our message, with the payload inside.

        Raises `LocalProtocolError` if it is not our turn or the payload is too long, and
        `HandshakeError` if the other side's key is one with which no secret can be had.
        """
        tokens = self._tokens(writing=True)
        overhead = sum(_LENGTHS.get(token, 0) for token in tokens) + TAG_BYTES
        if len(payload) > MAX_NOISE_BYTES - overhead:
            raise LocalProtocolError(
                f"This handshake message carries at most {MAX_NOISE_BYTES - overhead} bytes."
            )
        self._failed = True  # and stays so if anything below raises: keys are half mixed then
        message = b""
        for token in tokens:
            if token is _Token.E:
                message += self._write_ephemeral()
            elif token is _Token.S:
                message += self._encrypt_and_hash(x25519_public(_known(self._s)))
            elif token is _Token.E1:
                message += self._encrypt_and_hash(_known(self._e1).public)
            elif token is _Token.EKEM1:
                secret, ciphertext = _known(self._encapsulate)(_known(self._re1))
                message += self._encrypt_and_hash(ciphertext)
                self._mix_key(secret)
            else:
                self._mix_secret(token)
        message += self._encrypt_and_hash(payload)
        self._failed = False
        self._turn += 1
        return message

    def read_message(self, data: bytes) -> bytes:
        """The payload of the other side's message.

        Raises `HandshakeError` if it is not by the one it should be by or was altered, and
        `LocalProtocolError` if it is not their turn.
        """
        tokens = self._tokens(writing=False)
        self._failed = True  # and stays so if anything below raises
        if len(data) > MAX_NOISE_BYTES:
            raise HandshakeError(f"its message has {len(data)} bytes, more than any may have")
        for token in tokens:
            if token is _Token.E:
                self._re, data = _take(data, KEY_BYTES)
                self._mix_ephemeral(self._re)
            elif token is _Token.S:
                sealed, data = _take(data, KEY_BYTES + TAG_BYTES)
                self._rs = self._decrypt_and_hash(sealed)
            elif token is _Token.E1:
                sealed, data = _take(data, KEM_PUBLIC_BYTES + TAG_BYTES)
                self._re1 = read_kem_public(self._decrypt_and_hash(sealed))
            elif token is _Token.EKEM1:
                sealed, data = _take(data, KEM_CIPHERTEXT_BYTES + TAG_BYTES)
                self._mix_key(_known(self._e1).decapsulate(self._decrypt_and_hash(sealed)))
            else:
                self._mix_secret(token)
        payload = self._decrypt_and_hash(data)
        self._failed = False
        self._turn += 1
        return payload

    def split(self) -> tuple[CipherState, CipherState]:
        """The two directions of the channel: what we send with, what we receive with."""
        self._require_finished()
        first, second = (key[:KEY_BYTES] for key in hkdf(self._ck, b"", 2))
        if self._initiator:
            return CipherState(first), CipherState(second)
        return CipherState(second), CipherState(first)

    # ── tokens (section 5.3, and 9.2 for psk) ────────────────────────────────────────────────────
    def _tokens(self, *, writing: bool) -> tuple[_Token, ...]:
        if self._failed:
            raise LocalProtocolError("This handshake has failed; begin a new one.")
        if self._turn == len(self._pattern.messages):
            raise LocalProtocolError("This handshake is finished; use what split gave.")
        if (self._turn % 2 == 0) != (self._initiator == writing):
            raise LocalProtocolError("It is the other side's turn in this handshake.")
        return self._pattern.messages[self._turn]

    def _write_ephemeral(self) -> bytes:
        public = x25519_public(self._e)
        self._mix_ephemeral(public)
        return public

    def _mix_ephemeral(self, public: bytes) -> None:
        self._mix_hash(public)
        if self._psk is not None:
            self._mix_key(public)

    def _mix_secret(self, token: _Token) -> None:
        if token is _Token.PSK:
            self._mix_key_and_hash(_known(self._psk))
            return
        ours, theirs = token.value if self._initiator else reversed(token.value)
        private = self._e if ours == "e" else _known(self._s)
        public = _known(self._re if theirs == "e" else self._rs)
        self._mix_key(x25519(private, public))

    # ── SymmetricState (section 5.2) ─────────────────────────────────────────────────────────────
    def _mix_hash(self, data: bytes) -> None:
        self._h = hashlib.blake2b(self._h + data).digest()

    def _mix_key(self, material: bytes) -> None:
        self._ck, key = hkdf(self._ck, material, 2)
        self._cipher = CipherState(key[:KEY_BYTES])

    def _mix_key_and_hash(self, material: bytes) -> None:
        self._ck, hashed, key = hkdf(self._ck, material, 3)
        self._mix_hash(hashed)
        self._cipher = CipherState(key[:KEY_BYTES])

    def _encrypt_and_hash(self, plaintext: bytes) -> bytes:
        sealed = _known(self._cipher).encrypt(self._h, plaintext)
        self._mix_hash(sealed)
        return sealed

    def _decrypt_and_hash(self, sealed: bytes) -> bytes:
        try:
            plaintext = _known(self._cipher).decrypt(self._h, sealed)
        except CipherError:
            raise HandshakeError(
                "its message does not open with the keys and addresses of this connection"
            ) from None
        self._mix_hash(sealed)
        return plaintext

    def _require_finished(self) -> None:
        if not self.finished:
            raise LocalProtocolError("The handshake is not finished.")


_LENGTHS = {
    _Token.E: KEY_BYTES,
    _Token.S: KEY_BYTES + TAG_BYTES,
    _Token.E1: KEM_PUBLIC_BYTES + TAG_BYTES,
    _Token.EKEM1: KEM_CIPHERTEXT_BYTES + TAG_BYTES,
}


def _known(value: T | None) -> T:
    assert value is not None, "the pattern makes sure of it"
    return value


def _take(data: bytes, count: int) -> tuple[bytes, bytes]:
    if len(data) < count:
        raise HandshakeError("its message ends too early")
    return data[:count], data[count:]
