"""A declared piece of state, and the parts of a running bootstrap that hold such (`state`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from onmeet_bootstrap.api import BootstrapApi
from onmeet_bootstrap.mailboxes import Mailboxes
from onmeet_bootstrap.relay import Relay
from onmeet_node.net.libp2p.open_host import Host

if TYPE_CHECKING:
    from onmeet_bootstrap.gateway.server import Gateway
    from onmeet_bootstrap.turn.sessions import SessionWarden


@attrs.frozen
class Live:
    """The parts of a running bootstrap that hold state (`app.Bootstrap` makes it)."""

    host: Host
    relay: Relay
    api: BootstrapApi
    mailboxes: Mailboxes
    gateway: Gateway | None = None
    warden: SessionWarden | None = None


Count = Callable[[Live], int]
"""How many entries about others a running bootstrap has."""


def none_held(_live: Live) -> int:
    """Of what lies in another process."""
    return 0


@attrs.frozen(kw_only=True)
class Piece:
    """A kind of state."""

    name: str
    what: str
    """One entry."""
    why: str
    owner: str
    ended_by: str
    longest: float
    """Seconds that an entry lasts after what ends it happened, or after it was made if its end is
    a time; 0: it ends with its owner's connection, at once."""
    count: Count = none_held
    containers: tuple[str, ...] = ()
    """Where entries lie (`audit.census` names); a final ``*`` stands for any ending."""
    outlasts: bool = False
    """Whether it is meant to outlast its owner's connection: not part of what must be gone."""
