"""The door through which pages ask: a request gets this page's devices, its view becomes a message.

What a page says of a call as it carries it (`TellMedia`, `Keep`) is no command: no other door has
it.
"""

from __future__ import annotations

from contextlib import ExitStack

import trio

from onmeet_node.calls.call import Call
from onmeet_node.calls.options import CallOptions
from onmeet_node.contacts.meeting import SpokenFailed
from onmeet_node.control import names
from onmeet_node.control.catalogue import perform
from onmeet_node.control.door import Begin, Door
from onmeet_node.control.requests.calls import CallAction, ChangeCall, Take
from onmeet_node.control.requests.devices import AddDevice
from onmeet_node.control.requests.people import SayCode
from onmeet_node.control.requests.rooms import ChangeRoom, RoomAction
from onmeet_node.control.shapes import Request
from onmeet_node.events import CodeSaid, LinkWordsShown, NodeEvent
from onmeet_node.node.node import Node
from onmeet_node.process.faults import contained
from onmeet_node.protocol.call.effects import State
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.wire.messages import Kind
from onmeet_node.web.answering import answer_to
from onmeet_node.web.messages import FromNode, FromPage
from onmeet_node.web.messages.answers import CodeShown, Done, LinkWords
from onmeet_node.web.messages.own import Keep, StopSaying, TellMedia
from onmeet_node.web.page_endpoint import BoundPageEndpoint, PageEndpoint
from onmeet_node.web.pages import Page


class PageDoor:
    """What pages ask of one running node."""

    def __init__(self, node: Node, endpoint: PageEndpoint, begin: Begin) -> None:
        """`begin` makes a call that lives on when the page that made it is closed."""
        self._node = node
        self._endpoint = endpoint
        self._begin = begin
        self._saying: dict[int, trio.CancelScope] = {}
        """By the number of the page that shows a spoken code: one each."""

    async def answer(self, page: Page, message: FromPage) -> FromNode | None:
        """Does what is asked. Raises `OnMeetError` with what to tell the person.

        None: it needs no answer, or is nothing for a node.
        """
        match message:
            case TellMedia(call=call):
                self._call(call).tell_media(
                    muted=message.muted, camera_off=message.camera_off, sharing=message.sharing
                )
            case Keep(target=target):
                if not any(room.id.hex() == target for room in self._node.rooms.on):
                    self._call(target)
                self._endpoint.kept.take(page, message)
            case SayCode():
                return await self._say(page, message)
            case AddDevice():
                return await self._link(page, message)
            case StopSaying():
                if (saying := self._saying.get(page.number)) is not None:
                    saying.cancel()
                return Done(id=message.id)
            case Request():
                self._hand_over(page, message)
                door = Door(
                    node=self._node, endpoint=self._endpoint.on_page(page), begin=self._begin
                )
                return answer_to(message, await perform(door, message))
            case _:
                pass
        return None

    async def _say(self, page: Page, request: SayCode) -> FromNode:
        """Shows the page a code until somebody came with it, or the page takes it back or leaves.

        Raises `SpokenFailed`.
        """

        async def tell(event: NodeEvent) -> None:
            assert isinstance(event, CodeSaid)
            page.send(CodeShown(asked=request.id, code=event.code, seconds=event.seconds))

        if (before := self._saying.get(page.number)) is not None:
            before.cancel()
        with trio.CancelScope() as scope:
            self._saying[page.number] = scope
            try:
                view = await perform(Door(node=self._node, tell=tell), request)
                return answer_to(request, view)
            finally:
                if self._saying.get(page.number) is scope:
                    del self._saying[page.number]
        raise SpokenFailed("The code is taken back.")

    async def _link(self, page: Page, request: AddDevice) -> FromNode:
        """Shows the page the words of the device that it links. Raises `LinkFailed` …"""

        async def tell(event: NodeEvent) -> None:
            assert isinstance(event, LinkWordsShown)
            page.send(LinkWords(asked=request.id, words=event.words, name=event.device))
            await trio.lowlevel.checkpoint()

        return answer_to(request, await perform(Door(node=self._node, tell=tell), request))

    def _hand_over(self, page: Page, request: Request) -> None:
        """How things stand in a call goes to the page that goes on with it; see `KeptStates`."""
        match request:
            case Take(call=str(call)):
                self._endpoint.kept.forget(call)  # it begins as this page's person wants it
            case ChangeCall(call=call, action=CallAction.MOVE_HERE):
                moved = names.call(self._node, call, set(State))
                self._endpoint.kept.opened(moved.current.id.hex(), page, taken_over=True)
            case ChangeRoom(room=room, action=RoomAction.MOVE_HERE):
                conference = names.room(self._node, room)
                self._endpoint.kept.opened(conference.id.hex(), page, taken_over=True)
            case _:
                pass

    def _call(self, call: str) -> Call:
        return names.call(self._node, call, set(State))

    def rooms_go_on(self, page: Page) -> None:
        """A room whose page was reloaded goes on in this one, though we are alone in it. Where
        others are in, the calls with them do.
        """
        for conference in self._node.rooms.on:
            before = conference.presence.wish.endpoint
            if isinstance(before, BoundPageEndpoint) and before.just_left and not conference.calls:
                self._endpoint.kept.opened(conference.id.hex(), page, taken_over=True)
                conference.move(self._endpoint.on_page(page))


async def hold_call(
    node: Node,
    peer: Identity,
    kinds: frozenset[Kind],
    wish: CallOptions,
    *,
    task_status: trio.TaskStatus[Call],
) -> None:
    """Keeps a call until its end, whatever becomes of the page that began it."""
    with ExitStack() as border:  # what fails before is told to the page
        async with node.call(peer, kinds=kinds, wish=wish) as call:
            border.enter_context(contained("call"))
            task_status.started(call)
            await call.ended()
