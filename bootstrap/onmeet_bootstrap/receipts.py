"""What was held for each node that is connected, counted, so that a receipt can be signed for it.

Numbers alone, in memory alone, and gone with the node's connection (P2).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

import attrs

from onmeet_node.protocol.wire.bootstrap_api import Receipt, SignedReceipt, sign_receipt

MAX_NODES = 8_192
"""Counted at once; past it whoever was quiet longest starts again from nothing."""


@attrs.define
class _Traffic:
    since: int
    circuits: int = 0
    circuit_bytes: int = 0
    doors: int = 0
    guests: int = 0
    guest_bytes: int = 0
    credentials: int = 0


class Receipts:
    """Counts by node; who is not connected is not counted."""

    def __init__(
        self,
        sign: Callable[[bytes], bytes],
        *,
        connected: Callable[[str], bool],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`sign` gives the signature under the bootstrap's libp2p key."""
        self._sign = sign
        self._connected = connected
        self._now = wall_clock
        self._tallies: OrderedDict[str, _Traffic] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tallies)

    def circuit_ended(self, peers: tuple[str, str], count: int) -> None:
        """A circuit between two nodes is over; `count` bytes passed."""
        for peer in peers:
            tally = self._of(peer)
            tally.circuits += 1
            tally.circuit_bytes += count

    def guest_left(self, host: str, count: int) -> None:
        """A guest of this node has gone; `count` bytes passed."""
        tally = self._of(host)
        tally.guests += 1
        tally.guest_bytes += count

    def door_closed(self, host: str) -> None:
        """A door of this node is closed."""
        self._of(host).doors += 1

    def lent(self, peer: str) -> None:
        """TURN credentials were computed for this node."""
        self._of(peer).credentials += 1

    def forget(self, peer: str) -> None:
        """The node is gone."""
        self._tallies.pop(peer, None)

    def settle(self, peer: str, held: int) -> SignedReceipt:
        """Signs what was counted, and begins anew. `held`: what is still open for the node."""
        now = int(self._now())
        tally = self._tallies.pop(peer, None) or _Traffic(now)
        receipt = Receipt(until=max(now, tally.since), held=held, **attrs.asdict(tally))
        return sign_receipt(receipt, self._sign)

    def _of(self, peer: str) -> _Traffic:
        tally = self._tallies.pop(peer, None) or _Traffic(int(self._now()))
        if self._connected(peer):
            self._tallies[peer] = tally
            if len(self._tallies) > MAX_NODES:
                self._tallies.popitem(last=False)
        return tally
