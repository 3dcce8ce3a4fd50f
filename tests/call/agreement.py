"""Which end reasons of a caller and of a callee tell of the same call (PROTOCOL, "Ends").

Read by the tests of two machines, and compared with the table in PROTOCOL.
"""

from __future__ import annotations

from onmeet_node.call.effects import EndReason as E

TOGETHER: dict[E, frozenset[E]] = {
    E.HUNG_UP: frozenset({E.PEER_HUNG_UP, E.HUNG_UP}),
    E.PEER_HUNG_UP: frozenset({E.HUNG_UP}),
    E.CANCELLED: frozenset({E.MISSED, E.DECLINED, E.BUSY, E.PEER_HUNG_UP, E.SHUTDOWN}),
    E.NO_ANSWER: frozenset({E.MISSED, E.DECLINED, E.BUSY, E.PEER_HUNG_UP, E.SHUTDOWN}),
    E.PEER_DECLINED: frozenset({E.DECLINED}),
    E.PEER_BUSY: frozenset({E.BUSY}),
    E.NOT_REACHABLE: frozenset(),
    E.MEDIA_FAILED: frozenset({E.MEDIA_FAILED}),
    E.CONNECTION_LOST: frozenset({E.CONNECTION_LOST}),
    E.SHUTDOWN: frozenset({E.SHUTDOWN, E.MISSED, E.PEER_HUNG_UP, E.DECLINED, E.HUNG_UP}),
    E.SUPERSEDED: frozenset({E.SUPERSEDED}),
}
"""By the caller's reason, the callee's when every word arrived. An accept, a decline or a hangup
may cross the caller's own last word. Of a call that did not reach it the callee has no reason."""

OWN_ACTS = frozenset({E.HUNG_UP, E.DECLINED, E.SHUTDOWN, E.BUSY})
UNHEARD = frozenset({E.CONNECTION_LOST, E.MEDIA_FAILED, E.MISSED})
"""What a callee finds out by itself while nothing is heard of the caller."""

ASSUMED = frozenset(
    {E.CANCELLED, E.NO_ANSWER, E.NOT_REACHABLE, E.HUNG_UP, E.SHUTDOWN, E.SUPERSEDED}
    | {E.CONNECTION_LOST, E.MEDIA_FAILED}
)
"""What a caller finds out, or does, by itself."""


def agree(caller: E, callee: E, *, parted: bool) -> bool:
    """Whether the two may be reasons of one call. `parted`: last words may have been lost.

    Even then a reason that speaks of the other side's act (`PEER_…`) has that act behind it.
    """
    if callee in TOGETHER[caller]:
        return True
    return parted and caller in ASSUMED and callee in OWN_ACTS | UNHEARD
