"""What every page is shown, made from the node: the same for all pages, sent when it changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from onmeet_node.calls.call import Call
from onmeet_node.control import shapes
from onmeet_node.events import (
    CallEnded,
    ContactConfirmed,
    ContactRequested,
    MissedCallNoted,
    NodeEvent,
    RecordingStopped,
)
from onmeet_node.node.node import Node
from onmeet_node.protocol.call.effects import State
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.profile import Field
from onmeet_node.protocol.wire.codec import MAX_LIST
from onmeet_node.protocol.wire.messages import CallId
from onmeet_node.protocol.wire.vocabulary import Capability
from onmeet_node.store import Contact, ContactState
from onmeet_node.web.messages import snapshots as say
from onmeet_node.web.page_endpoint import PageEndpoint

MAX_ASKING = 256
"""Contact requests shown at once, the newest; contacts have the rest of the list."""


def me(node: Node) -> say.Me:
    """The person's own profile and settings."""
    profile, settings = node.people.profile(), node.settings()
    return say.Me(
        identity=node.identity.hex(),
        fields=tuple(
            say.FieldShown(
                name=field,
                value=profile.text(field) or "",
                share=profile.shares[field],
            )
            for field in Field
            if field is not Field.PICTURE
        ),
        picture=profile.picture.hex() if profile.picture else None,
        picture_share=profile.shares[Field.PICTURE],
        reach=profile.reach,
        busy=profile.busy,
        relay_only=settings.relay_only,
        region=settings.region,
        bootstraps=settings.bootstraps[:64],
    )


def people(node: Node) -> say.People:
    """Those we know, as many as a message holds, and the live codes."""
    pictures = node.people.pictures()
    live = {code.audience: code.label for code in node.people.codes.live()}
    known = node.people.first(asking=MAX_ASKING, most=MAX_LIST)
    return say.People(
        people=tuple(_person(node, contact, live, pictures) for contact in known),
        codes=tuple(
            say.Code(
                label=code.label or "",
                uri=code.uri,
                expires=code.expires,
                direct=code.direct,
            )
            for code in node.people.codes.live()[:MAX_LIST]
        ),
    )


def _person(
    node: Node, contact: Contact, live: Mapping[int, str | None], pictures: frozenset[bytes]
) -> say.Person:
    asks = contact.state is ContactState.REQUESTED_BY_THEM
    return say.Person(
        identity=contact.identity.hex(),
        name=contact.display_name,
        status=say.ContactStatus(contact.state.value),
        code=live.get(contact.audience or 0) if asks else None,
        verified=contact.verified,
        favourite=contact.favourite,
        last_seen=contact.last_seen,
        connected=node.connected(contact.identity),
        note=node.people.request_note(contact.identity),
        card=shapes.CardShown(
            name=contact.card.name,
            country=contact.card.country,
            phone=contact.card.phone,
            email=contact.card.email,
        ),
        picture=contact.card.picture.hex() if contact.card.picture in pictures else None,
        sees=tuple(
            say.FieldSeen(name=Field(name), shown=shown)
            for name, shown in sorted(contact.shown.items())
            if name in set(Field)
        ),
    )


def calls(node: Node, endpoint: PageEndpoint) -> say.Calls:
    """The calls that are going on."""
    going = [call for call in node.calls if call.state is not State.ENDED]
    return say.Calls(calls=tuple(_call(node, call, endpoint) for call in _oldest(going)[:64]))


def _oldest(calls: Iterable[Call]) -> list[Call]:
    return sorted(calls, key=lambda call: call.began)


def _call(node: Node, call: Call, endpoint: PageEndpoint) -> say.CallShown:
    where = endpoint.session_of(call.id.hex())
    media = call.peer_media
    return say.CallShown(
        call=call.id.hex(),
        identity=call.peer.hex(),
        name=node.people.name_of(call.peer),
        outgoing=call.outgoing,
        state=call.state,
        ring=call.ring,
        kinds=tuple(sorted(call.kinds)),
        began=int(call.began),
        answered=int(call.answered) if call.answered is not None else None,
        path=call.path,
        region=call.region,
        sas=call.sas,
        doubt=call.string.doubt,
        chats=call.can(Capability.CHAT),
        compares=call.can(Capability.COMPARE),
        ask=call.string.ask,
        compared=call.string.ours,
        peer_compared=call.string.theirs,
        page=where[0] if where else None,
        session=where[1] if where else None,
        peer_media=say.PeerMedia(
            muted=media.muted, camera_off=media.camera_off, sharing=media.sharing
        )
        if media
        else None,
    )


def guests(node: Node) -> say.Guests:
    """The guest links, and who came by them."""
    return say.Guests(
        possible=node.guests.links.possible(),
        links=tuple(
            say.LinkShown(
                link=link.link,
                title=link.title,
                url=link.url,
                once=link.once,
                knock=link.knock,
                expires=link.expires,
                open=link.open,
            )
            for link in node.guests.links.list()
        ),
        guests=tuple(
            say.GuestShown(
                guest=guest.guest.hex(),
                name=guest.name,
                title=guest.title,
                inside=guest.state == "in",
            )
            for guest in node.guests.waiting()[:128]
        ),
    )


def over(shown: say.CallShown, ended: CallEnded) -> say.Over:
    """A call that has just ended, as it was shown last."""
    return say.Over(
        call=shown.call,
        identity=shown.identity,
        name=shown.name,
        outgoing=shown.outgoing,
        reason=ended.reason,
        sentence=ended.sentence[: shapes.MAX_SENTENCE_CHARS],
        detail=ended.detail[: shapes.MAX_SENTENCE_CHARS] if ended.detail else None,
        seconds=round(ended.seconds),
        note=ended.note,
    )


def news(node: Node, event: NodeEvent) -> say.News | None:
    """What of an event a person wants to be told; None for most."""
    age, note = 0, None
    match event:
        case ContactRequested(identity=who):
            what, note = say.Happening.CONTACT_REQUEST, event.note
        case ContactConfirmed(identity=who):
            what = say.Happening.CONTACT_ACCEPTED
        case MissedCallNoted(identity=who):
            what, age, note = say.Happening.MISSED_CALL, event.age_s, event.note
        case RecordingStopped() if (call := node.calls.get(CallId(event.call))) is not None:
            what, who = say.Happening.RECORDING_STOPPED, call.peer
        case _:
            return None
    name = node.people.name_of(Identity(who))
    return say.News(what=what, identity=who.hex(), name=name, age=age, note=note)
