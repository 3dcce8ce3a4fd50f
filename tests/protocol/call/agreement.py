"""Which end reasons of a caller and of a callee tell of the same call (PROTOCOL, "Ends").

A reason is either *told* by the other side's last word, or *found* by oneself: done, or waited for
in vain. What is told has somebody behind it who did it; what both found may differ.
"""

from __future__ import annotations

from onmeet_node.protocol.call.effects import EndReason as E

TOLD: dict[E, frozenset[E]] = {
    E.HUNG_UP: frozenset({E.PEER_HUNG_UP}),
    E.PEER_HUNG_UP: frozenset({E.HUNG_UP}),
    E.CANCELLED: frozenset({E.MISSED, E.PEER_HUNG_UP, E.BUSY}),
    E.NO_ANSWER: frozenset({E.MISSED, E.PEER_HUNG_UP, E.BUSY}),
    E.NOT_REACHABLE: frozenset(),
    E.PEER_DECLINED: frozenset({E.DECLINED}),
    E.PEER_BUSY: frozenset({E.BUSY}),
    E.MEDIA_FAILED: frozenset({E.MEDIA_FAILED}),
    E.CONNECTION_LOST: frozenset({E.CONNECTION_LOST}),
    E.SHUTDOWN: frozenset({E.SHUTDOWN, E.MISSED, E.PEER_HUNG_UP}),
    E.SUPERSEDED: frozenset({E.SUPERSEDED}),
}
"""By the caller's reason, the callee's when one of the two told the other."""

FOUND_BY_CALLER = {
    "before the accept": frozenset({E.CANCELLED, E.NO_ANSWER, E.NOT_REACHABLE, E.SUPERSEDED}),
    "after it": frozenset({E.HUNG_UP, E.MEDIA_FAILED, E.CONNECTION_LOST}),
    "any time": frozenset({E.SHUTDOWN}),
}
DONE_BY_CALLEE = {
    "before the accept": frozenset({E.DECLINED, E.SHUTDOWN}),
    "after it": frozenset({E.HUNG_UP, E.SHUTDOWN}),
}
WAITED_FOR_BY_CALLEE = {
    "before the accept": frozenset({E.MISSED}),
    "after it": frozenset({E.CONNECTION_LOST, E.MEDIA_FAILED}),
}


def agree(caller: E, callee: E, *, parted: bool) -> bool:
    """Whether the two may be reasons of one call. `parted`: last words may have been lost."""
    if callee in TOLD[caller]:
        return True
    for when in ("before the accept", "after it"):
        # a caller that has not heard of the accept finds what is found before it
        found = FOUND_BY_CALLER["before the accept"] | FOUND_BY_CALLER["any time"]
        if when == "after it":
            found |= FOUND_BY_CALLER[when]
        crossed = callee in DONE_BY_CALLEE[when]
        unheard = parted and callee in WAITED_FOR_BY_CALLEE[when]
        if caller in found and (crossed or unheard):
            return True
    return False


def ends_table() -> str:
    """`TOLD` as PROTOCOL has it."""
    lines = ["| the caller has | and the callee, when one told the other |", "|---|---|"]
    for caller, callee in TOLD.items():
        names = ", ".join(f"`{reason}`" for reason in sorted(callee))
        lines.append(f"| `{caller}` | {names or 'nothing: it did not reach it'} |")
    return "\n".join(lines)
