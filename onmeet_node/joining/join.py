"""Joining a call by a guest link without a browser: for bots, tests and the audit.

No home, no identity: what the guest page does, with aiortc in place of the browser's media.
"""

from __future__ import annotations

import secrets
import time

import trio

from onmeet_node.errors import first
from onmeet_node.joining.call import GOODBYE_SECONDS, GuestCall, admitted
from onmeet_node.joining.line import open_line
from onmeet_node.joining.media import open_guest_media
from onmeet_node.joining.options import GuestOptions, Tell
from onmeet_node.joining.retrying import AWAY, LONGEST_WAIT_SECONDS, passes, pause
from onmeet_node.joining.room import stay_in_room
from onmeet_node.media.checking import check_media
from onmeet_node.net.backoff import Backoff
from onmeet_node.process.leaving import in_order
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.link import read_link
from onmeet_node.protocol.wire.messages import CALL_ID_BYTES, CallId, Kind


async def join(url: str, visitor: GuestOptions, tell: Tell) -> str:
    """Joins, stays, and leaves; gives ``left`` or the reason of the host's hang-up.

    Until the guest is in, a door that is away is tried again, and each try told. Raises
    `EntryDenied`, `DoorClosed`, `NoMedia`, and `LinkError` for what is no link.
    """
    _, link = read_link(url)
    kinds = frozenset(Kind)
    await check_media(visitor.source, kinds)
    until = trio.current_time() + visitor.patience
    backoff, tries, inside = Backoff(most=LONGEST_WAIT_SECONDS), 0, trio.Event()
    while True:
        try:
            return await _come(url, visitor, tell, inside)
        except AWAY as error:
            cause = first(error)
            closed = link.expires is not None and link.expires < time.time()
            if inside.is_set() or trio.current_time() >= until or not passes(cause, closed=closed):
                raise
        tries += 1
        await pause(cause, tries, tell, backoff)


async def _come(url: str, visitor: GuestOptions, tell: Tell, inside: trio.Event) -> str:
    """One visit, from the door on; sets `inside` when the guest is let in."""
    async with in_order(open_line(url, plain=visitor.plain)) as line:
        tell("door", host=line.welcome.card.name, title=line.welcome.title)
        room, host = line.welcome.room, line.welcome.host
        try:
            in_room = room is not None and host is not None
            await check_media(
                None,
                frozenset(Kind),
                record=None if in_room else visitor.record,
                directory=visitor.record if in_room else None,
            )
            if room is not None and host is not None:
                return await stay_in_room(line, room, host, visitor, tell, inside)
            await line.say(m.Knock(name=visitor.name))
            admit = await admitted(line, tell)
            inside.set()
            tell("admitted")
            call_id = CallId(secrets.token_bytes(CALL_ID_BYTES))
            binding = b"".join(sorted((line.link.key, admit.guest)))
            async with in_order(open_guest_media(visitor, admit, call_id, binding)) as media:
                call = GuestCall(url, line, media, call_id, admit, visitor, tell)
                try:
                    return await call.run()
                finally:
                    with trio.move_on_after(GOODBYE_SECONDS, shield=True):
                        await call.say_goodbye()
        finally:
            with trio.move_on_after(GOODBYE_SECONDS, shield=True):
                await line.close("left")
