"""Commands about guests: links for them, and who came by one."""

from __future__ import annotations

from onmeet_node.control import names
from onmeet_node.control.door import Door
from onmeet_node.control.requests import guests as ask
from onmeet_node.control.views import GuestLinkMade
from onmeet_node.guests.views import GuestLinkView, GuestView

_AT_DOOR = frozenset({"knocking"})
_HERE = frozenset({"in", "knocking"})


async def new_link(door: Door, request: ask.NewLink) -> GuestLinkMade:
    """See `NewLink`. Raises `NoGateway`, the store's `Rejected`, and NetError."""
    made = await door.node.guests.links.new(
        request.title,
        seconds=request.seconds or None,
        once=request.once,
        knock=request.knock,
    )
    return GuestLinkMade.of(made, host=door.node.people.profile().name)


async def list_links(door: Door, _: ask.ListLinks) -> tuple[GuestLinkView, ...]:
    """See `ListLinks`."""
    return door.node.guests.links.list()


async def close_link(door: Door, request: ask.CloseLink) -> GuestLinkView:
    """See `CloseLink`. Raises `NoSuchLink`."""
    return door.node.guests.links.close(request.link)


async def list_guests(door: Door, _: ask.ListGuests) -> tuple[GuestView, ...]:
    """See `ListGuests`."""
    return door.node.guests.waiting()


async def admit_guest(door: Door, request: ask.AdmitGuest) -> GuestView:
    """See `AdmitGuest`. Raises `NoSuchGuest`, `HostInCall`, `MediaError`: they knock on."""
    node = door.node
    guest = names.guest(node, request.guest, _AT_DOOR)
    shown = node.guests.describe(guest)
    kinds = frozenset(request.kinds)
    options = door.options(relay_only=request.relay_only, headless=request.headless)
    await node.check_media(kinds, options)
    node.guests.admit(guest, kinds=kinds, wish=options)
    return shown


async def send_guest_away(door: Door, request: ask.SendGuestAway) -> GuestView:
    """See `SendGuestAway`. Raises `NoSuchGuest`."""
    guest = names.guest(door.node, request.guest, _HERE)
    shown = door.node.guests.describe(guest)
    door.node.guests.deny(guest, close_link=request.close_link)
    return shown


COMMANDS = (
    new_link,
    list_links,
    close_link,
    list_guests,
    admit_guest,
    send_guest_away,
)
