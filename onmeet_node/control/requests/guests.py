"""What is asked about guests: links for them, and who came by one."""

from __future__ import annotations

import attrs

from onmeet_node.control.shapes import KINDS, NAME, WHICH, Headless, Request, headless, number
from onmeet_node.protocol.wire.fields import Flag, Integer, field, maybe
from onmeet_node.protocol.wire.messages import Kind

MAX_LINK_SECONDS = 366 * 24 * 3_600


@attrs.frozen(kw_only=True)
class NewLink(Request):
    """Makes a guest link. `seconds` 0: it works until it is closed.

    `once`: for one guest. `knock`: the person admits each guest.
    """

    id: int = number()
    title: str = field(NAME, default="")
    seconds: int = field(Integer(0, MAX_LINK_SECONDS), default=0)
    once: bool = field(Flag(), default=True)
    knock: bool = field(Flag(), default=True)


@attrs.frozen(kw_only=True)
class ListLinks(Request):
    """The links that let guests in, the oldest first."""

    id: int = number()


@attrs.frozen(kw_only=True)
class CloseLink(Request):
    """Ends a guest link (the start of its id, or its title) at once."""

    id: int = number()
    link: str = field(WHICH)


@attrs.frozen(kw_only=True)
class ListGuests(Request):
    """Who knocks, and who is in."""

    id: int = number()


@attrs.frozen(kw_only=True)
class AdmitGuest(Request):
    """Lets a guest in who knocks; None: the only one."""

    id: int = number()
    guest: str | None = maybe(WHICH)
    kinds: tuple[Kind, ...] = field(KINDS)
    relay_only: bool = field(Flag(), default=False)
    headless: Headless | None = headless()


@attrs.frozen(kw_only=True)
class SendGuestAway(Request):
    """Sends a guest away, from the door or out of the call; None: the only one."""

    id: int = number()
    guest: str | None = maybe(WHICH)
    close_link: bool = field(Flag(), default=False)
