"""How a guest without a browser comes, and what it tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Tell = Callable[..., None]
"""Called with the name of an event and its fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestOptions:
    """How a guest comes."""

    name: str
    source: str = "none"
    record: Path | None = None
    relay_only: bool = False
    seconds: float | None = None
    """After so long in the call the guest leaves; None: when the host ends it."""
    patience: float = 0.0
    """For so many seconds the door is tried again while it is away."""
    plain: bool = False
