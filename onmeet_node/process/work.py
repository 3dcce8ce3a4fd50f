"""How much work this process has done, counted where it is done: exact, the same on any machine.

For `make profile` and for tests: time on a shared machine is noise, and a needless frame is not.
Numbers alone, in memory, of everybody together: nothing says whose they are.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace


@dataclass(slots=True)
class Work:
    """What was done, in pieces. Each place that does it adds to `WORK` itself."""

    frames: int = 0
    """Yamux frames written to a libp2p connection: each is encrypted, and written to a socket."""
    window_updates: int = 0
    """Those of `frames` that only tell how much more may be sent."""
    streams: int = 0
    """Streams opened: two round trips each, before the first answer."""
    turns: int = 0
    """Answers waited for: data that came on a connection we opened after we had sent some there.
    Each ends a round trip."""
    socket_reads: int = 0
    """Times that bytes were asked of the socket of a libp2p connection over TCP."""
    messages: int = 0
    """Messages handed to sealed channels, their own pings not counted."""
    lookups: int = 0
    """Questions to the DHT where somebody is."""
    records_verified: int = 0
    """Signatures of DHT records checked."""
    statements: int = 0
    """SQL statements run."""

    def as_counts(self) -> dict[str, int]:
        """By name."""
        return asdict(self)


WORK = Work()
"""Since the process began. One thread adds to it: the one that runs trio."""


def so_far() -> Work:
    """A copy, to be compared later."""
    return replace(WORK)


def since(before: Work) -> Work:
    """What was done since `so_far` gave this."""
    was = before.as_counts()
    return Work(**{name: now - was[name] for name, now in WORK.as_counts().items()})
