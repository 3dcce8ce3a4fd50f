"""How somebody comes into a room."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onmeet_node.calls.options import CallOptions
from onmeet_node.media.kinds import require_kinds
from onmeet_node.protocol.wire.messages import Kind


@dataclass(frozen=True, slots=True)
class RoomOptions:
    """How we come into a room."""

    name: str
    kinds: frozenset[Kind]
    wish: CallOptions
    record: Path | None = None
    """Directory with a file for what each participant sends."""

    def __post_init__(self) -> None:
        """Raises TypeError for kinds that are none."""
        require_kinds(self.kinds)
