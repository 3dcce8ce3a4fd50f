"""One generation of media of one device, and an offer that waits to begin one."""

from __future__ import annotations

from dataclasses import dataclass, field

from onmeet_node.protocol.call.authentication import NonceExchange
from onmeet_node.protocol.wire.messages import Candidate


@dataclass(slots=True)
class Session:
    """One generation: a peer connection here and its counterpart there."""

    generation: int
    ours: bool
    """We made the offer."""
    exchange: NonceExchange
    told: bool = False
    """What became of `exchange` was given to whoever shows it."""
    sdp: str | None = field(default=None, repr=False)
    """Our description, once made."""
    answered: bool = False
    """Both descriptions are here, so candidates of the peer can be taken."""
    connected: bool = False
    lost: bool = False
    """It was connected and its path went silent."""
    attached: bool = False
    taken: int = 0
    """Candidates of the peer given to it."""
    taken_end: bool = False
    """The peer said that there are no more; said again, it is nothing to do."""
    local: list[Candidate] = field(default_factory=list, repr=False)
    local_end: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer of the peer that is not answered before the person accepted."""

    generation: int
    sdp: str = field(repr=False)
    commitment: bytes | None = field(repr=False)
    early: bool = False
    """It need not wait for the accept, but for its turn: the peer offers too often."""
