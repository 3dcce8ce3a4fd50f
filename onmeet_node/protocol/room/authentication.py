"""A room's authentication string, and the nonces that all commit to for it (PROTOCOL, "Rooms").

A host that shows two people two rosters could look for keys that give both the same string: a
birthday search, a million tries on each side for twelve digits. So everybody adds a number of their
own, and commits to it (says a hash of it) before anybody shows theirs, as in ZRTP (RFC 6189,
4.4.1.1). Whoever stands between must commit before they know what they have to hit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache

from onmeet_node.protocol.identity.safety import short_string
from onmeet_node.protocol.room.roster import Key, keys_of
from onmeet_node.protocol.wire.room import COMMITMENT_BYTES, NONCE_BYTES, RosterBody

MAX_ROUNDS = 1_024
"""Rosters whose commitments are remembered: a roster that comes back finds what was said for it."""
_NONCE_DOMAIN = b"onmeet room nonce 1"
_COMMITMENT_DOMAIN = b"onmeet room pledge 1"
_STRING_DOMAIN = b"onmeet room string 1"


def commitment(digest: bytes, key: bytes, nonce: bytes) -> bytes:
    """What somebody says of their number before they show it. `digest`: of the roster."""
    return hashlib.blake2b(
        _COMMITMENT_DOMAIN + digest + key + nonce, digest_size=COMMITMENT_BYTES
    ).digest()


def room_string(room: bytes, numbers: Mapping[Key, bytes]) -> str:
    """12 digits, “0123 4567 8901”, of everybody's key and number.

    Every pair's DTLS fingerprints travel inside channels of these keys alone, so who has the same
    keys has the same certificates.
    """
    return _string(room + b"".join(key + numbers[key] for key in sorted(numbers)))


class CommitmentRound:
    """The numbers of everybody for one roster. What was said first counts."""

    def __init__(self, body: RosterBody, digest: bytes, me: Key, nonce: bytes) -> None:
        self._room = body.room
        self.digest = digest
        """Of the roster."""
        self._me = me
        self._commitments = {me: commitment(digest, me, nonce)}
        self._shown = {me: nonce}
        self._keys = keys_of(body)

    @property
    def commitment(self) -> bytes:
        """Ours, for everybody to know."""
        return self._commitments[self._me]

    @property
    def nonce(self) -> bytes | None:
        """Our number; None until everybody has committed to theirs."""
        return self._shown[self._me] if self._commitments.keys() >= self._keys else None

    @property
    def complete(self) -> bool:
        """Whether everybody has shown their number."""
        return self._shown.keys() >= self._keys

    @property
    def string(self) -> str | None:
        """See `room_string`; None until everybody has shown their number."""
        return room_string(self._room, self._shown) if self.complete else None

    def take(self, key: Key, committed: bytes | None, nonce: bytes | None) -> None:
        """What somebody says for this roster: their commitment, and then their number."""
        if key not in self._keys or key == self._me:
            return
        if committed is not None:
            self._commitments.setdefault(key, committed)
        if nonce is None or key in self._shown:
            return
        if self._commitments.get(key) == commitment(self.digest, key, nonce):
            self._shown[key] = nonce


class StringAuthentication:
    """The rounds of one room, as one of its people knows them."""

    def __init__(self, me: Key, sign: Callable[[bytes], bytes]) -> None:
        """`sign`: makes signatures of `me` (RFC 8032: always the same of the same). None of those
        made here is shown: their hashes are our numbers, which nobody else can foresee.
        """
        self._me = me
        self._sign = sign
        self._rounds: dict[bytes, CommitmentRound] = {}

    def round(self, body: RosterBody, digest: bytes) -> CommitmentRound:
        """The one for this roster."""
        found = self._rounds.get(digest)
        if found is None:
            secret = self._sign(_NONCE_DOMAIN + digest)
            nonce = hashlib.blake2b(secret, digest_size=NONCE_BYTES).digest()
            found = self._rounds[digest] = CommitmentRound(body, digest, self._me, nonce)
            if len(self._rounds) > MAX_ROUNDS:
                del self._rounds[next(iter(self._rounds))]
        return found


@lru_cache(maxsize=16)
def _string(seed: bytes) -> str:
    # Kept: it takes some milliseconds, and is shown again at every change of anything in a room.
    return short_string(_STRING_DOMAIN, seed)
