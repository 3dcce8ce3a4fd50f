"""Which tokens were spent, in memory alone: 16 bytes of each, until its week can spend no more."""

from __future__ import annotations

import hashlib

from onmeet_bootstrap.errors import Exhausted
from onmeet_node.protocol.wire.weeks import GRACE_SECONDS, epoch_begins

MARK_BYTES = 16
_BUCKET_BITS = 16
_BUCKETS = 1 << _BUCKET_BITS
_REST = MARK_BYTES - _BUCKET_BITS // 8


def mark_of(nonce: bytes) -> bytes:
    """What is kept of a spent token: it cannot be made a token again."""
    return hashlib.sha256(nonce).digest()[:MARK_BYTES]


class SpentList:
    """Marks of spent tokens, by week. A restart forgets them (THREATS).

    Marks lie end to end in 65,536 buckets, by their first bytes: a million take a third of the
    memory that a set of bytes takes.
    """

    def __init__(self, most: int) -> None:
        """`most`: marks of all weeks together; beyond them nothing is taken, and none forgotten."""
        self._most = most
        self._weeks: dict[int, dict[int, bytearray]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, spent: tuple[int, bytes]) -> bool:
        epoch, mark = spent
        bucket = self._weeks.get(epoch, {}).get(_bucket(mark))
        if bucket is None:
            return False
        rest = mark[-_REST:]
        return any(bucket[at : at + _REST] == rest for at in range(0, len(bucket), _REST))

    def require_room(self) -> None:
        """Raises `Exhausted` where the next one would be too many."""
        if self._count >= self._most:
            raise Exhausted("So many tokens were spent here this week that no more are taken.")

    def add(self, epoch: int, mark: bytes) -> None:
        """Marks one as spent. Raises `Exhausted`."""
        self.require_room()
        week = self._weeks.setdefault(epoch, {})
        week.setdefault(_bucket(mark), bytearray()).extend(mark[-_REST:])
        self._count += 1

    def forget_past(self, now: float) -> None:
        """Drops weeks whose tokens are not taken any more."""
        for epoch in list(self._weeks):
            if now >= epoch_begins(epoch + 1) + GRACE_SECONDS:
                week = self._weeks.pop(epoch)
                self._count -= sum(map(len, week.values())) // _REST


def _bucket(mark: bytes) -> int:
    return int.from_bytes(mark[: _BUCKET_BITS // 8], "big")
