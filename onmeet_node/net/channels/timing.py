"""The times and rates of a sealed channel (PROTOCOL, "Sealed channel")."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds and rates of a channel; the defaults are the protocol's."""

    interval: float = 5.0
    """After so long without hearing anything, ask with a Ping."""
    dead_after: float = 15.0
    """After so long without hearing anything, or with one write not done, the channel is over."""
    idle_after: float = 60.0
    """Without a message of the layers above for so long, and not attended to, it is idle."""
    idle_interval: float = 20.0
    """`interval` of an idle channel: nobody waits for it, and each question costs traffic."""
    idle_dead_after: float = 35.0
    """`dead_after` of an idle channel. Libp2p's own pings find a dead connection before."""
    fresh: float = 1.0
    """Seconds of silence, before or after a message is sent, that make us doubt whether the peer
    is still there: it may have moved, and somebody is waiting."""
    close: float = 2.0
    """For the orderly end: Bye there, and the end of the stream back."""
    rate: float = 50.0
    """Messages a second that a peer may send in the long run. A call in full swing sends a few."""
    burst: float = 300.0
    """Messages it may send at once, as when it trickles candidates."""
