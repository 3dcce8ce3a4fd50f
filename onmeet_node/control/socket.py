"""The control socket: how the ``onmeet`` commands talk to the running node (docs/API, Control).

A Unix socket with mode 0600 in the node's home. One connection is one request, a line of JSON
``{"do": name, …}``; answers are lines too: events, if the request has any, then
``{"result": …}`` or ``{"error": sentence}``.
"""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import cattrs
import trio

from onmeet_node.calls.call import Call, CallOptions
from onmeet_node.control import room_control as rooms
from onmeet_node.control.as_json import as_json
from onmeet_node.control.requests import MAX_REQUEST_BYTES, Request
from onmeet_node.errors import OnMeetError, first
from onmeet_node.events import CallEnded
from onmeet_node.node.node import Node
from onmeet_node.process.faults import alone
from onmeet_node.process.ownership import is_own_peer, socket_path
from onmeet_node.protocol.call.effects import State
from onmeet_node.protocol.wire.messages import Kind
from onmeet_node.store import ContactState

log = logging.getLogger(__name__)

PUBLISH_SECONDS = 3.0
"""A new code is shown after that even if its record is not out yet."""

LAST_WORD_SECONDS = 1.0
"""For a command to take how its call ended, when the node is stopped."""

REQUEST_SECONDS = 10.0
"""To send the request line; who says nothing is cut off."""


class BadRequest(OnMeetError):
    """The request is not one of ours."""


class NoApp(OnMeetError):
    """The node was started without the local app."""


_converter = cattrs.Converter(forbid_extra_keys=True)
Tell = Callable[[dict[str, Any]], Awaitable[None]]
Handler = Callable[[Node, Request, Tell], Awaitable[Any]]


async def serve_control(
    node: Node,
    path: Path,
    app_url: Callable[[], str] | None = None,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves the socket until cancelled; it is gone afterwards.

    `app_url` gives an address of the local app that works once, if the app is served.
    """
    listener = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    with listener:
        mask = os.umask(0o177)
        try:
            path.unlink(missing_ok=True)  # the home is locked: nobody else serves it
            with socket_path(path) as place:
                await listener.bind(place)
        except OSError as error:
            raise OnMeetError(
                f"The control socket {path} cannot be made ({error.strerror or error}). "
                "Choose a home with a shorter path on a local disk."
            ) from error
        finally:
            os.umask(mask)
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        listener.listen(16)
        try:
            task_status.started()
            # NOTE: it waits while this process has no file left, and goes on accepting then.
            await trio.serve_listeners(
                partial(alone, "command", _serve_one, node, app_url),
                [trio.SocketListener(listener)],
            )
        finally:
            path.unlink(missing_ok=True)


async def _serve_one(
    node: Node, app_url: Callable[[], str] | None, stream: trio.SocketStream
) -> None:
    async def tell(line: dict[str, Any]) -> None:
        await stream.send_all(json.dumps(line, ensure_ascii=False).encode() + b"\n")

    async with stream:
        if not is_own_peer(stream.socket):  # the mode keeps out all but root already
            return
        try:
            request = _read(await _line(stream))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_when_closed, stream, nursery.cancel_scope)
                if request.do == "app.open":
                    await tell({"result": {"url": _open_app(app_url)}})
                else:
                    await tell({"result": await _HANDLERS[request.do](node, request, tell)})
                nursery.cancel_scope.cancel()
        except* OnMeetError as errors:
            await _try_tell(tell, str(first(errors)))
        except* (trio.BrokenResourceError, trio.TooSlowError):
            log.debug("a control connection ended early")
        except* Exception:
            await _try_tell(tell, "The node made an error of its own; its log says which.")
            raise


def _open_app(app_url: Callable[[], str] | None) -> str:
    if app_url is None:
        raise NoApp("This node runs without its app. Stop it and start it with: onmeet up --app")
    return app_url()


async def _try_tell(tell: Tell, error: str) -> None:
    try:
        await tell({"error": error})
    except trio.BrokenResourceError:
        log.debug("a control connection ended before its error could be told")


async def _line(stream: trio.SocketStream) -> bytes:
    data = b""
    with trio.fail_after(REQUEST_SECONDS):
        while b"\n" not in data:
            part = await stream.receive_some(MAX_REQUEST_BYTES)
            data += part
            if not part or len(data) > MAX_REQUEST_BYTES:
                raise BadRequest("That request is cut off or too long.")
    return data.partition(b"\n")[0]


def _read(line: bytes) -> Request:
    try:
        asked = json.loads(line)
        if not isinstance(asked, dict):
            raise TypeError("no object")
        request = _converter.structure(asked, Request)
    except (ValueError, TypeError, cattrs.BaseValidationError) as error:
        raise BadRequest(
            "That request is not understood. Is the onmeet command as new as the running node?"
        ) from error
    if request.do not in _HANDLERS and request.do != "app.open":
        raise BadRequest(f"This node has no request {request.do!r}: it is older. Restart it.")
    return request


async def _cancel_when_closed(stream: trio.SocketStream, scope: trio.CancelScope) -> None:
    """A command that was interrupted takes what it asked for with it."""
    try:
        while await stream.receive_some(1024):
            pass
    except trio.BrokenResourceError:
        pass
    scope.cancel()


# ── requests ─────────────────────────────────────────────────────────────────────────────────────
async def _status(node: Node, _request: Request, _tell: Tell) -> Any:
    return as_json(await node.status_with_media())


async def _watch(node: Node, _request: Request, tell: Tell) -> Any:
    with node.watch() as events:
        async for event in events:
            await tell(event.as_json())
    return None


async def _code_new(node: Node, request: Request, _tell: Tell) -> Any:
    code = node.people.codes.new(request.label, days=request.days, direct=request.direct)
    with trio.move_on_after(PUBLISH_SECONDS):
        await node.published()  # so that the code works from the moment it is shown
    return as_json(code)


async def _code_list(node: Node, _request: Request, _tell: Tell) -> Any:
    return as_json(node.people.codes.live())


async def _code_revoke(node: Node, request: Request, _tell: Tell) -> Any:
    return {"dropped": node.people.revoke(request.label or "", drop=request.drop)}


async def _contacts_add(node: Node, request: Request, _tell: Tell) -> Any:
    contact = node.people.add(request.code, name=request.name, note=request.note)
    delivered = await node.deliver(contact.identity)
    return {**as_json(node.people.describe(contact.identity)), "delivered": delivered}


async def _contacts_list(node: Node, _request: Request, _tell: Tell) -> Any:
    described = []
    for contact in node.people.identities():
        described.append(as_json(node.people.describe(contact)))
        if len(described) % 64 == 0:
            await trio.lowlevel.checkpoint()  # there may be 10,000, and calls are on
    return sorted(described, key=lambda one: (not one["favourite"], one["added"], one["identity"]))


async def _contacts_accept(node: Node, request: Request, _tell: Tell) -> Any:
    identity = node.people.which(request.who, ContactState.REQUESTED_BY_THEM)
    node.people.accept(identity)
    return as_json(node.people.describe(identity))


async def _contacts_block(node: Node, request: Request, _tell: Tell) -> Any:
    identity = node.people.which(request.who)
    shown = as_json(node.people.describe(identity))
    node.people.block(identity)
    return shown


async def _contacts_remove(node: Node, request: Request, _tell: Tell) -> Any:
    identity = node.people.which(request.who)
    shown = as_json(node.people.describe(identity))
    node.people.remove(identity)
    return shown


async def _contacts_verify(node: Node, request: Request, _tell: Tell) -> Any:
    identity = node.people.which(request.who)
    if request.matches:
        node.people.mark_verified(identity)
    return {
        **as_json(node.people.describe(identity)),
        "safety_number": node.people.safety_number(identity),
    }


async def _profile(node: Node, request: Request, _tell: Tell) -> Any:
    return as_json(
        node.people.change_profile(
            request.fields, request.shares, reach=request.reach, busy=request.busy
        )
    )


async def _settings(node: Node, request: Request, _tell: Tell) -> Any:
    return as_json(
        node.change_settings(
            relay_only=request.relays,
            region=request.region,
            add_bootstrap=request.add,
            remove_bootstrap=request.remove,
        )
    )


async def _call(node: Node, request: Request, tell: Tell) -> Any:
    kinds = frozenset({Kind.AUDIO} if request.audio_only else Kind)
    wish = _wish(request)
    call: Call | None = None
    told = False
    try:
        async with (
            node.call(request.who, kinds=kinds, wish=wish) as call,
            trio.open_nursery() as nursery,
        ):
            if request.seconds is not None:
                nursery.start_soon(_hang_up_after, call, request.seconds)
            async for event in call.events:
                await tell(event.as_json())
                if isinstance(event, CallEnded):
                    told = True
                    break
            nursery.cancel_scope.cancel()
    finally:
        if call is not None and not told:  # the node is being stopped, or the command is gone
            with trio.move_on_after(LAST_WORD_SECONDS, shield=True):
                await _tell_end(call, tell)
    return as_json(node.describe_call(call.current))


async def _tell_end(call: Call, tell: Tell) -> None:
    """How a call ended that ended with the node. Who asked for it may be gone."""
    with suppress(trio.BrokenResourceError):
        async for event in call.history():
            if isinstance(event, CallEnded):
                await tell(event.as_json())
                return


def _wish(request: Request) -> CallOptions:
    return CallOptions(
        source=request.source,
        record=Path(request.record) if request.record else None,
        relay_only=request.relay_only,
    )


async def _hang_up_after(call: Call, seconds: float) -> None:
    """Counts from the moment that the call is connected."""
    await call.connected()
    await trio.sleep(seconds)
    if call.current.state is not State.ENDED:
        call.hang_up()


async def _answer(node: Node, request: Request, _tell: Tell) -> Any:
    call = node.find_call(request.call, {State.RINGING_IN})
    kinds, wish = frozenset({Kind.AUDIO}) if request.audio_only else None, _wish(request)
    await node.check_media(kinds or call.kinds, wish)  # or it rings on
    call.accept(kinds, wish)
    return as_json(node.describe_call(call))


async def _decline(node: Node, request: Request, _tell: Tell) -> Any:
    call = node.find_call(request.call, {State.RINGING_IN})
    shown = as_json(node.describe_call(call))
    call.decline(request.note)
    return shown


async def _hangup(node: Node, request: Request, _tell: Tell) -> Any:
    call = node.find_call(request.call, set(State))
    shown = as_json(node.describe_call(call))
    call.hang_up()
    return shown


async def _mute(node: Node, request: Request, _tell: Tell) -> Any:
    call = node.find_call(request.call, {State.CONNECTED, State.CONNECTING, State.RECONNECTING})
    await call.mute(request.kind, muted=request.muted)
    return as_json(node.describe_call(call))


async def _invite_new(node: Node, request: Request, _tell: Tell) -> Any:
    seconds = int(request.seconds) if request.seconds else None
    made = await node.guests.links.new(
        request.title, seconds=seconds, once=request.once, knock=request.knock
    )
    return {**made, "host": node.people.profile().name}


async def _invite_list(node: Node, _request: Request, _tell: Tell) -> Any:
    return node.guests.links.list()


async def _invite_close(node: Node, request: Request, _tell: Tell) -> Any:
    return node.guests.links.close(request.label or "")


async def _guests(node: Node, _request: Request, _tell: Tell) -> Any:
    return node.guests.waiting()


async def _guests_admit(node: Node, request: Request, _tell: Tell) -> Any:
    guest = node.guests.who(request.who, frozenset({"knocking"}))
    shown = node.guests.describe(guest)
    kinds = frozenset({Kind.AUDIO} if request.audio_only else Kind)
    await node.check_media(kinds, _wish(request))  # or they still knock
    node.guests.admit(guest, kinds=kinds, wish=_wish(request))
    return shown


async def _guests_deny(node: Node, request: Request, _tell: Tell) -> Any:
    guest = node.guests.who(request.who)
    shown = node.guests.describe(guest)
    node.guests.deny(guest, close_link=request.close_link)
    return shown


async def _history(node: Node, request: Request, _tell: Tell) -> Any:
    return node.history.list(request.limit)


async def _history_delete(node: Node, request: Request, _tell: Tell) -> Any:
    return {"deleted": node.history.delete(request.call or "")}


async def _export(node: Node, request: Request, _tell: Tell) -> Any:
    if not request.path or not request.passphrase:
        raise BadRequest("An export needs a file and a passphrase.")
    path = Path(request.path)
    await node.export(path, request.passphrase)
    return {"path": str(path)}


async def _doctor(node: Node, _request: Request, _tell: Tell) -> Any:
    return [{"level": f.level, "what": f.what, "remedy": f.remedy} for f in await node.examine()]


async def _stop(node: Node, _request: Request, _tell: Tell) -> Any:
    node.stop()
    return {}


_HANDLERS: dict[str, Handler] = {
    "status": _status,
    "watch": _watch,
    "code.new": _code_new,
    "code.list": _code_list,
    "code.revoke": _code_revoke,
    "contacts.add": _contacts_add,
    "contacts.list": _contacts_list,
    "contacts.accept": _contacts_accept,
    "contacts.block": _contacts_block,
    "contacts.remove": _contacts_remove,
    "contacts.verify": _contacts_verify,
    "profile": _profile,
    "settings": _settings,
    "call": _call,
    "answer": _answer,
    "decline": _decline,
    "hangup": _hangup,
    "mute": _mute,
    "invite.new": _invite_new,
    "invite.list": _invite_list,
    "invite.close": _invite_close,
    "guests": _guests,
    "guests.admit": _guests_admit,
    "guests.deny": _guests_deny,
    "room.create": rooms.room_create,
    "room.join": rooms.room_join,
    "room.list": rooms.room_list,
    "room.invite": rooms.room_invite,
    "room.lock": rooms.room_lock,
    "room.end": rooms.room_end,
    "room.person": rooms.room_person,
    "room.link": rooms.room_link,
    "room.plan": rooms.room_plan,
    "room.code": rooms.room_code,
    "room.forget": rooms.room_forget,
    "room.hand": rooms.room_hand,
    "room.look": rooms.room_look,
    "room.react": rooms.room_react,
    "room.say": rooms.room_say,
    "room.mute": rooms.room_mute,
    "history": _history,
    "history.delete": _history_delete,
    "export": _export,
    "doctor": _doctor,
    "stop": _stop,
}
