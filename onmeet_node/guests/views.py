"""What is shown of guests, and of the links they come by."""

from __future__ import annotations

import attrs

from onmeet_node.protocol.call.events import Identity


@attrs.frozen
class GuestLinkView:
    """A link that lets guests in."""

    link: str
    """Its id."""
    title: str
    url: str = attrs.field(repr=False)
    """SECRET: whoever has it may knock."""
    once: bool
    """Whether nothing is left of it after one guest's call."""
    knock: bool
    """Whether somebody must let each guest in."""
    created: int
    """Unix seconds."""
    expires: int | None
    """Unix seconds; None: it works until it is closed."""
    open: bool
    """Whether guests can knock now."""
    trouble: str | None
    """Why its door is not open, in a sentence."""


@attrs.frozen
class GuestView:
    """Somebody at a door, or in a call by it."""

    guest: Identity
    """What they are called for this visit."""
    name: str
    """As they typed it, cleaned; nothing proves it."""
    link: str
    title: str
    """Of the link."""
    state: str
    """``in`` or ``knocking``."""
