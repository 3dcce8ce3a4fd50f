"""What is shown of a node, its settings and its calls: to programs, commands and the app."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from onmeet_node.calls.views import StreamView
from onmeet_node.protocol.call.authentication import StringDoubt
from onmeet_node.protocol.call.effects import EndReason, Ring, State
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.wire.messages import CallId


@attrs.frozen
class CallView:
    """A call as it is now."""

    call: CallId
    with_: str
    """How the other one is shown."""
    identity: Identity
    outgoing: bool
    state: State
    ring: Ring | None
    reason: EndReason | None
    path: MediaPath | None
    sas: str | None
    doubt: StringDoubt | None
    """Why there is no `sas`, and will be none."""
    compared: bool | None
    """What the person here said of `sas`: the same as theirs, or not."""
    peer_compared: bool | None


@attrs.frozen
class CallWithMedia(CallView):
    """A call as it is now, with the counters of its media."""

    streams: tuple[StreamView, ...]
    """Empty while there is no media."""

    @classmethod
    def of(cls, call: CallView, streams: Iterable[StreamView] = ()) -> CallWithMedia:
        """A call, and its counters."""
        return cls(**attrs.asdict(call, recurse=False), streams=tuple(streams))


@attrs.frozen
class NodeStatus:
    """What a node is doing, without anything about anybody but its owner."""

    identity: Identity
    peer_id: str
    reachable: bool
    addresses: tuple[str, ...]
    bootstraps: int
    """How many are connected."""
    dht_peers: int
    channels: int
    """How many sealed channels are open."""
    contacts: int
    requests: int
    calls: tuple[CallWithMedia, ...]
    faults: Mapping[str, int]
    """How often an error of ours ended one party and nothing else, by its kind."""


@attrs.frozen
class NodeSettings:
    """What the person chose for a node."""

    relay_only: bool
    region: str | None
    """``ca`` or ``de``: where bootstraps may be; None: anywhere."""
    bootstraps: tuple[str, ...]


@attrs.frozen(kw_only=True)
class TokensLeft:
    """Tokens for one bootstrap and week."""

    bootstrap: str
    """Its PeerId."""
    week: int
    """Weeks since Monday, 5 January 1970."""
    count: int


@attrs.frozen(kw_only=True)
class AccountView:
    """An account as it is now."""

    issuer: str
    via: str
    """The SOCKS proxy that the issuer is asked by; "": none."""
    tokens: tuple[TokensLeft, ...]
    this_week: int
    bought: int
    """For this week."""
    at_need: bool
    """Whether they were bought when they were needed: the operator may guess whose they are, from
    the time."""
    trouble: str
    """Why nothing was bought, or is spent, in a sentence; "": nothing is wrong."""
