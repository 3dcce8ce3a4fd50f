"""What ICE found and tried, without anything that says where anybody is (P14).

Kept in the history and shown by ``onmeet history --verbose``: types, transports and outcomes; never
an address, port, host name or user name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

import cattrs

MAX_PAIRS = 32
MAX_JSON_CHARS = 4_096


@dataclass(frozen=True, slots=True)
class PairReport:
    """Candidate pairs of one kind: how many of our `local` to their `remote` ended as `state`."""

    local: str
    """``host/udp``, ``relay/tls`` and so on: type and how it reaches its server, if it has one."""
    remote: str
    state: str
    """``waiting``, ``in-progress``, ``succeeded``, ``failed``, or ``nominated``: the one used."""
    count: int = 1


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What came of asking one STUN or TURN server."""

    kind: str
    """``stun``, ``turn/udp``, ``turn/tcp`` or ``turn/tls``."""
    worked: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class IceReport:
    """One session's ICE, as of when it was asked for."""

    local: tuple[str, ...] = ()
    remote: tuple[str, ...] = ()
    pairs: tuple[PairReport, ...] = ()
    servers: tuple[ServerReport, ...] = ()
    relay_only: bool = False
    nat: str = ""
    """What is in front of us, as `nat_mapping.nat_kind` says it."""

    own_fault: str = ""
    """What of our own ended the call instead, in words; in no report that leaves this machine."""

    def as_json(self) -> str:
        """At most `MAX_JSON_CHARS`; what is too much is left out, pairs first."""
        for pairs, servers in ((self.pairs[:MAX_PAIRS], self.servers[:8]), ((), self.servers[:8])):
            kept = replace(
                self,
                local=self.local[:16],
                remote=self.remote[:16],
                pairs=pairs,
                servers=servers,
                own_fault=self.own_fault[:500],
            )
            text = json.dumps(asdict(kept), separators=(",", ":"))
            if len(text) <= MAX_JSON_CHARS:
                return text
        return json.dumps(asdict(IceReport()))

    @classmethod
    def from_json(cls, text: str) -> IceReport | None:
        """The report in `text`; None if it is none of ours."""
        try:
            data = json.loads(text)
            return cattrs.structure(data, cls) if isinstance(data, dict) else None
        except (ValueError, TypeError, KeyError, cattrs.BaseValidationError):
            return None


def counted(pairs: Iterable[PairReport]) -> tuple[PairReport, ...]:
    """The same with equal ones added up, in the order in which they first appear."""
    counts: dict[tuple[str, str, str], int] = {}
    for pair in pairs:
        key = (pair.local, pair.remote, pair.state)
        counts[key] = counts.get(key, 0) + pair.count
    return tuple(PairReport(*key, count=count) for key, count in counts.items())
