"""What pages are shown of rooms, and told of them at once."""

from __future__ import annotations

from onmeet_node import events
from onmeet_node.calls.call import Call
from onmeet_node.control.shapes import CardShown
from onmeet_node.events import NodeEvent
from onmeet_node.node.node import Node
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.room.effects import RoomEnd
from onmeet_node.protocol.wire.messages import MAX_NAME_CHARS, MAX_TEXT_CHARS
from onmeet_node.rooms.conference import Conference
from onmeet_node.rooms.views import SeatView
from onmeet_node.web.messages import FromNode
from onmeet_node.web.messages import rooms as shown
from onmeet_node.web.page_endpoint import BoundPageEndpoint, PageEndpoint


def rooms(node: Node, endpoint: PageEndpoint) -> shown.Rooms:
    """Rooms, invitations and standing meetings."""
    return shown.Rooms(
        rooms=tuple(_room(node, conference, endpoint) for conference in node.rooms.on),
        invitations=tuple(
            shown.Invitation(
                room=one.invite.room.hex(),
                title=clean_text(one.invite.title, MAX_NAME_CHARS),
                identity=one.peer.hex(),
                name=node.people.name_of(one.peer),
            )
            for one in node.rooms.invitations
        ),
        meetings=tuple(
            shown.Meeting(title=title, code=node.rooms.code(title)) for title in node.rooms.standing
        ),
    )


def _room(node: Node, conference: Conference, endpoint: PageEndpoint) -> shown.RoomShown:
    view = conference.describe()
    code = node.rooms.code_of(conference)
    return shown.RoomShown(
        room=view.room.hex(),
        title=view.title,
        state=shown.RoomState(view.state),
        page=_page_of(conference, endpoint),
        role=view.role,
        locked=view.locked,
        knock=view.knock,
        string=view.string,
        since=conference.since,
        standing=code is not None,
        code=code,
        link=node.rooms.link_of(conference),
        people=tuple(
            _participant(person, endpoint, conference.call_with(person.key))
            for person in view.people
        ),
        knocking=tuple(
            shown.Knocker(key=one.key.hex(), name=one.name) for one in view.knocking[:64]
        ),
        warnings=view.warnings[: shown.MAX_WARNINGS],
    )


def _participant(person: SeatView, endpoint: PageEndpoint, call: Call | None) -> shown.Participant:
    where = endpoint.session_of(call.id.hex()) if call is not None else None
    return shown.Participant(
        key=person.key.hex(),
        name=person.name,
        role=person.role,
        me=person.me,
        here=person.here,
        media=person.media,
        seen=person.seen,
        hand=person.hand,
        muted=person.muted,
        camera_off=person.camera_off,
        sharing=person.sharing,
        path=person.path,
        call=person.call.hex() if person.call is not None else None,
        session=where[1] if where is not None else None,
        hidden=person.hidden,
        identity=person.identity.hex() if person.identity is not None else None,
        verified=person.verified,
        card=CardShown(
            **{name: person.card.get(name) for name in ("name", "country", "phone", "email")}
        ),
    )


def _page_of(conference: Conference, endpoint: PageEndpoint) -> int | None:
    for call in reversed(conference.calls):
        where = endpoint.session_of(call.id.hex())
        if where is not None:
            return where[0]
    bound = conference.presence.wish.endpoint
    return bound.number if isinstance(bound, BoundPageEndpoint) else None


def told(event: NodeEvent) -> FromNode | None:
    """What pages are told of an event of a room at once; None for most."""
    match event:
        case events.RoomSaid():
            return shown.RoomLine(
                room=event.room.hex(),
                key=event.key.hex(),
                name=event.who,
                mine=event.mine,
                text=clean_text(event.text, MAX_TEXT_CHARS) or " ",
                to=event.to.hex() if event.to is not None else None,
            )
        case events.RoomReacted():
            return shown.RoomReaction(
                room=event.room.hex(), key=event.key.hex(), name=event.who, emoji=event.emoji
            )
        case events.MuteAsked():
            return shown.RoomMuteAsked(room=event.room.hex(), name=event.who)
        case events.RoomOver():
            return shown.RoomOver(
                room=event.room.hex(),
                title=event.title,
                reason=RoomEnd(event.reason),
                sentence=event.sentence,
            )
        case _:
            return None
