"""The nonces of one generation of media, which its authentication string is made of.

A short string is worth something only if nobody can aim at it. Whoever makes an offer commits to a
nonce (sends its hash) with it; whoever answers shows a nonce of their own with the answer, knowing
only the hash; then the first one reveals theirs, which has to fit the hash. So each has chosen
before knowing what the other one chose, as in ZRTP (RFC 6189, 4.4.1.1): somebody who stands between
two people fixes one half of both strings blindly, and has one guess.

An exchange belongs to one generation, and ends with it. Everything may be said again: what was said
first counts. What it came to is final, and there is no way back from `StringDoubt.WRONG`.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass, field

from onmeet_node.protocol.call import timing
from onmeet_node.protocol.wire.messages import COMMITMENT_BYTES, NONCE_BYTES

_COMMITMENT_DOMAIN = b"onmeet call commitment 1"


class StringDoubt(enum.StrEnum):
    """Why a generation has no authentication string, and will have none."""

    MISSING = "missing"
    """The other side's program committed to nothing, or showed no nonce."""
    WRONG = "wrong"
    """It revealed what it had not committed to, or did so before it was answered."""
    TOO_MANY = "too-many"
    """`timing.MAX_STRINGS` were made in this call: each more is one more guess."""


@dataclass(frozen=True, slots=True)
class Nonces:
    """Both nonces of a generation."""

    offerer: bytes = field(repr=False)
    answerer: bytes = field(repr=False)


def commitment(call: bytes, generation: int, nonce: bytes) -> bytes:
    """What goes with the offer: BLAKE2b-256 of the domain, the call, the generation, the nonce."""
    return hashlib.blake2b(
        _COMMITMENT_DOMAIN + call + generation.to_bytes(2, "big") + nonce,
        digest_size=COMMITMENT_BYTES,
    ).digest()


class StringAllowance:
    """How many more nonces are shown in one call, over all its devices and generations.

    A peer that stands between sees what the string would be once it has our nonce, and could
    begin another generation until two strings are alike.
    """

    def __init__(self) -> None:
        self.left = timing.MAX_STRINGS

    def take(self) -> bool:
        """Whether one more may be shown, which is then counted."""
        if self.left == 0:
            return False
        self.left -= 1
        return True


class NonceExchange:
    """One generation's. `ours`: we offered, so we commit and reveal; else they do.

    No method raises, whatever the peer said and in whatever order.
    """

    def __init__(
        self, call: bytes, generation: int, allowance: StringAllowance, *, ours: bool
    ) -> None:
        self._call = call
        self._generation = generation
        self._allowance = allowance
        self._ours = ours
        self._mine: bytes | None = None
        """Our nonce."""
        self.commitment: bytes | None = None
        """The offerer's."""
        self.shown: bytes | None = None
        """Our nonce, once the peer may know it: in the answer, or to be revealed."""
        self.outcome: Nonces | StringDoubt | None = None
        """What it came to; None while the other side's part is awaited."""

    # ── of an offer of ours ──────────────────────────────────────────────────────────────────────
    def offer(self, nonce: bytes) -> None:
        """Our offer is made: `nonce` is `NONCE_BYTES` fresh random bytes."""
        assert self._ours, "the peer offered this generation"
        if self._mine is None:
            assert len(nonce) == NONCE_BYTES, "it is as long as the wire says"
            self._mine = nonce
            self.commitment = commitment(self._call, self._generation, nonce)

    def answered(self, nonce: bytes | None) -> None:
        """The peer's answer, with its nonce: from now on ours may be `shown`."""
        if not self._ours or self._mine is None or self.outcome is not None:
            return
        if nonce is None:
            self.outcome = StringDoubt.MISSING
        elif not self._allowance.take():
            self.outcome = StringDoubt.TOO_MANY
        else:
            self.shown = self._mine
            self.outcome = Nonces(offerer=self._mine, answerer=nonce)

    # ── of an offer of theirs ────────────────────────────────────────────────────────────────────
    def offered(self, committed: bytes | None) -> None:
        """The peer's offer, with what it committed to."""
        if self.commitment is None and self._mine is None:
            self.commitment = committed

    def answer(self, nonce: bytes) -> None:
        """Our answer is made: `nonce` is `NONCE_BYTES` fresh random bytes, `shown` if it counts."""
        assert not self._ours, "we offered this generation"
        if self._mine is not None:
            return
        assert len(nonce) == NONCE_BYTES, "it is as long as the wire says"
        self._mine = nonce
        if self.outcome is not None:
            return
        if self.commitment is None:
            self.outcome = StringDoubt.MISSING
        elif not self._allowance.take():
            self.outcome = StringDoubt.TOO_MANY
        else:
            self.shown = nonce

    def revealed(self, nonce: bytes) -> None:
        """The peer's nonce, which has to fit its commitment."""
        if self._ours or self.outcome is not None:
            return
        early = self.shown is None  # before our answer is made
        if early or self.commitment != commitment(self._call, self._generation, nonce):
            self.outcome = StringDoubt.WRONG
        else:
            assert self.shown is not None, "it is not early"
            self.outcome = Nonces(offerer=nonce, answerer=self.shown)
