"""When the keys of a channel are replaced (PROTOCOL, "Sealed channel"; Noise, 11.3). Sans-IO.

Each direction alone, by who sends in it: an empty transport message is the last one under a key.
Messages of one direction arrive in their order, so both sides change at the same place whatever
their clocks say, and nothing waits for an answer.
"""

from __future__ import annotations

from onmeet_node.protocol.wire.cipher import CipherState
from onmeet_node.protocol.wire.errors import CipherError

REKEY_MESSAGES = 65_536
"""Messages under one key, the empty one included. Whoever reads one more ends the channel."""
REKEY_SECONDS = 600.0
"""After so long the sender replaces the key before its next message. Only its own clock counts."""


class SendingCipher:
    """What this side sends with."""

    def __init__(self, cipher: CipherState, *, now: float) -> None:
        self._cipher = cipher
        self._since = now
        self._first = cipher.messages

    def seal(self, plaintext: bytes, *, now: float) -> list[bytes]:
        """The sealed messages that carry this one: itself, and before it the one that ends a key.

        `plaintext` is not empty, and has at most 65,519 bytes (`CipherState.encrypt`).
        """
        frames = []
        used = self._cipher.messages - self._first
        if used >= REKEY_MESSAGES - 1 or now - self._since >= REKEY_SECONDS:
            frames.append(self._cipher.encrypt(b"", b""))
            self._cipher.rekey()
            self._since, self._first = now, self._cipher.messages
        frames.append(self._cipher.encrypt(b"", plaintext))
        return frames


class ReceivingCipher:
    """What this side receives with."""

    def __init__(self, cipher: CipherState) -> None:
        self._cipher = cipher
        self._first = cipher.messages

    def open(self, sealed: bytes) -> bytes | None:
        """The next message; None for the one that ends a key.

        Raises `CipherError`, also for a key that is used for too many messages.
        """
        plaintext = self._cipher.decrypt(b"", sealed)
        used = self._cipher.messages - self._first
        if plaintext:
            if used >= REKEY_MESSAGES:
                raise CipherError("it used one key for too many messages")
            return plaintext
        self._cipher.rekey()
        self._first = self._cipher.messages
        return None
