"""Commands about calls, and about those that are over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

from onmeet_node.calls.call import Call
from onmeet_node.calls.views import CallRecordView
from onmeet_node.control import names
from onmeet_node.control.door import Door, WrongDoor
from onmeet_node.control.requests import calls as ask
from onmeet_node.control.views import CallsDeleted
from onmeet_node.events import CallEnded, NodeEvent
from onmeet_node.node.views import CallView
from onmeet_node.protocol.call.effects import State

LAST_WORD_SECONDS = 1.0
"""For who follows a call to hear how it ended, when the node is stopped."""

_RINGING = {State.RINGING_IN}
_GOING = {State.CONNECTED, State.CONNECTING, State.RECONNECTING}
Tell = Callable[[NodeEvent], Awaitable[None]]


async def dial(door: Door, request: ask.Dial) -> CallView:
    """See `Dial`. It may end as another call when both dialled at once."""
    if door.begin is None:
        raise WrongDoor("A call from here is followed to its end: ask for dial-and-follow.")
    peer = names.callee(door.node, request.who)
    options = door.options(relay_only=request.relay_only)
    call = await door.begin(peer, frozenset(request.kinds), options)
    return door.node.describe_call(call)


async def dial_and_follow(door: Door, request: ask.DialAndFollow) -> CallView:
    """See `DialAndFollow`."""
    if door.tell is None:
        raise WrongDoor("A call cannot be followed from here: ask for dial.")
    node, tell = door.node, door.tell
    peer = names.callee(node, request.who)
    options = door.options(relay_only=request.relay_only, headless=request.headless)
    call: Call | None = None
    told = False
    try:
        async with (
            node.call(peer, kinds=frozenset(request.kinds), wish=options) as call,
            trio.open_nursery() as nursery,
        ):
            if request.hang_up_after is not None:
                nursery.start_soon(_hang_up_after, call, request.hang_up_after / 1_000)
            async for event in call.events:
                await tell(event)
                if isinstance(event, CallEnded):
                    told = True
                    break
            nursery.cancel_scope.cancel()
    finally:
        if call is not None and not told:  # the node is being stopped, or who asked is gone
            with trio.move_on_after(LAST_WORD_SECONDS, shield=True):
                await _tell_end(call, tell)
    return node.describe_call(call.current)


async def _tell_end(call: Call, tell: Tell) -> None:
    """How a call ended that ended with the node. Who asked for it may be gone."""
    with suppress(trio.BrokenResourceError):
        async for event in call.history():
            if isinstance(event, CallEnded):
                await tell(event)
                return


async def _hang_up_after(call: Call, seconds: float) -> None:
    """Counts from the moment that the call is connected."""
    await call.connected()
    await trio.sleep(seconds)
    if call.current.state is not State.ENDED:
        call.hang_up()


async def take(door: Door, request: ask.Take) -> CallView:
    """See `Take`. Raises `MediaError` if what it shall send or keep cannot be: it rings on then."""
    call = names.call(door.node, request.call, _RINGING)
    kinds = frozenset(request.kinds) if request.kinds is not None else None
    options = door.options(relay_only=request.relay_only, headless=request.headless)
    await door.node.check_media(kinds or call.kinds, options)
    call.accept(kinds, options)
    return door.node.describe_call(call)


async def change_call(door: Door, request: ask.ChangeCall) -> CallView:
    """See `ChangeCall`. Answers the call as it was."""
    do = ask.CallAction
    states = _RINGING if request.action in {do.DECLINE, do.SILENCE} else set(State)
    call = names.call(door.node, request.call, states)
    before = door.node.describe_call(call)
    match request.action:
        case do.DECLINE:
            call.decline(request.note)
        case do.SILENCE:
            call.silence()
        case do.HANG_UP:
            call.hang_up()
        case do.MOVE_HERE:
            call.move(door.devices())
        case do.RESTART_MEDIA:
            call.restart_media()
    return before


async def compare_string(door: Door, request: ask.CompareString) -> CallView:
    """See `CompareString`. Raises `StringNotComparable` if the call has no string."""
    call = names.call(door.node, request.call, _GOING)
    call.current.string.compare(same=request.same)
    return door.node.describe_call(call)


async def mute_call(door: Door, request: ask.MuteCall) -> CallView:
    """See `MuteCall`."""
    call = names.call(door.node, request.call, _GOING)
    await call.mute(request.kind, muted=request.muted)
    return door.node.describe_call(call)


async def read_history(door: Door, request: ask.ReadHistory) -> tuple[CallRecordView, ...]:
    """See `ReadHistory`."""
    return door.node.history.list(request.limit)


async def delete_history(door: Door, request: ask.DeleteHistory) -> CallsDeleted:
    """See `DeleteHistory`. Raises `NoSuchRecord`."""
    return CallsDeleted(deleted=door.node.history.delete(request.call or "all"))


COMMANDS = (
    dial,
    dial_and_follow,
    take,
    change_call,
    compare_string,
    mute_call,
    read_history,
    delete_history,
)
