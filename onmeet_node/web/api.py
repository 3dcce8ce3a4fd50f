"""What pages ask of a running node: each request to the method that does it, and its answer."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import segno
import trio

from onmeet_node.calls.call import Call, CallOptions
from onmeet_node.calls.sentences import when
from onmeet_node.errors import OnMeetError
from onmeet_node.findings import Finding as NodeFinding
from onmeet_node.guests.invitation import email_html, email_plain
from onmeet_node.node.node import Node, NoSuchCall
from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.profile import Field
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.wire.messages import MAX_NAME_CHARS, CallId, Kind
from onmeet_node.web import messages as say
from onmeet_node.web import shapes
from onmeet_node.web.page_endpoint import PageEndpoint
from onmeet_node.web.pages import Page
from onmeet_node.web.room_api import RoomApi

LOOK_SECONDS = 10.0
"""For a person to be found; whoever is reachable at all is within two."""
Answer = say.FromNode
Begin = Callable[[Identity, frozenset[Kind], CallOptions], Awaitable[Call]]


class Api:
    """The requests of pages, for as long as one node runs."""

    def __init__(self, node: Node, endpoint: PageEndpoint, begin: Begin) -> None:
        """`begin` makes a call that lives on when the page that made it is closed."""
        self._node = node
        self._endpoint = endpoint
        self._begin = begin
        self._rooms = RoomApi(node, endpoint)
        self.rooms = self._rooms.snapshot
        self.rooms_go_on = self._rooms.go_on

    async def answer(self, page: Page, message: say.FromPage) -> Answer | None:
        """Does what is asked. Raises `OnMeetError` with what to tell the person.

        None: it is no request, or not one for a node.
        """
        node, people = self._node, self._node.people
        match message:
            case say.NewCode(id=n, label=label, days=days, direct=direct):
                people.codes.new(label, days=days or None, direct=direct)
                return say.Done(id=n)
            case say.RevokeCode(id=n, label=label, drop=drop):
                people.revoke(label, drop=drop)
                return say.Done(id=n)
            case say.NewLink(id=n):
                return await self._new_link(message)
            case say.CloseLink(id=n, link=link):
                node.guests.links.close(link)
                return say.Done(id=n)
            case say.AdmitGuest(id=n, guest=guest, kinds=kinds):
                wish = CallOptions(endpoint=self._endpoint.on_page(page))
                identity = Identity(bytes.fromhex(guest))
                node.guests.admit(identity, kinds=frozenset(kinds), wish=wish)
                return say.Done(id=n)
            case say.SendGuestAway(id=n, guest=guest, close_link=close_link):
                node.guests.deny(Identity(bytes.fromhex(guest)), close_link=close_link)
                return say.Done(id=n)
            case say.ReadCode(id=n, code=text):
                code = people.foreign(text)
                return say.CodeRead(
                    id=n,
                    identity=code.identity.hex(),
                    name=code.name,
                    expires=code.expires,
                    known=people.get(Identity(code.identity)) is not None,
                )
            case say.DrawQr(id=n, text=text):
                return say.Qr(id=n, rows=_qr(text))
            case say.AddContact(id=n, code=text, name=name, note=note):
                contact = people.add(text, name=name, note=note)
                delivered = False
                with trio.move_on_after(LOOK_SECONDS):
                    delivered = await node.deliver(contact.identity)
                return say.Added(id=n, identity=contact.identity.hex(), delivered=delivered)
            case say.ChangePerson(id=n, identity=identity, action=action):
                self._change_person(Identity(bytes.fromhex(identity)), action)
                return say.Done(id=n)
            case say.RenamePerson(id=n, identity=identity, name=name):
                people.rename(Identity(bytes.fromhex(identity)), name)
                return say.Done(id=n)
            case say.LookFor(id=n, identity=identity):
                found = False
                with trio.move_on_after(LOOK_SECONDS):
                    found = await node.deliver(Identity(bytes.fromhex(identity)))
                return say.Presence(id=n, reachable=found)
            case say.Verify(id=n, identity=identity):
                number = people.safety_number(Identity(bytes.fromhex(identity)))
                return say.SafetyNumber(id=n, number=number, rows=_qr(number))
            case say.ChangeProfile(id=n, fields=fields, reach=reach, busy=busy):
                shares = {f.name.value: f.share.value for f in fields}
                if message.picture_share is not None:
                    shares[Field.PICTURE.value] = message.picture_share.value
                people.change_profile(
                    {f.name.value: f.value for f in fields},
                    shares,
                    reach=reach,
                    busy=busy,
                )
                return say.Done(id=n)
            case say.SetPicture(id=n, data=data):
                people.set_picture(data)
                return say.Done(id=n)
            case say.GetPicture(id=n, picture=digest):
                return say.PictureShown(id=n, data=people.picture(bytes.fromhex(digest)) or b"")
            case say.ShowTo(id=n, identity=identity, name=name, shown=shown):
                people.show_to(Identity(bytes.fromhex(identity)), name, shown=shown)
                return say.Done(id=n)
            case say.ChangeSettings(id=n):
                node.change_settings(
                    relay_only=message.relay_only,
                    region=message.region,
                    add_bootstrap=message.add_bootstrap,
                    remove_bootstrap=message.remove_bootstrap,
                )
                return say.Done(id=n)
            case say.Dial(id=n, identity=identity, kinds=kinds, relay_only=relay_only):
                wish = CallOptions(relay_only=relay_only, endpoint=self._endpoint.on_page(page))
                peer = Identity(bytes.fromhex(identity))
                call = await self._begin(peer, frozenset(kinds), wish)
                return say.Dialled(id=n, call=call.id.hex())
            case say.Take(id=n, call=call_id, kinds=kinds, relay_only=relay_only):
                wish = CallOptions(relay_only=relay_only, endpoint=self._endpoint.on_page(page))
                self._endpoint.kept.forget(call_id)  # it begins as this page's person wants it
                self._call(call_id).accept(frozenset(kinds), wish)
                return say.Done(id=n)
            case say.ChangeCall(id=n, call=call_id, action=action, note=note):
                self._change_call(page, self._call(call_id), action, note)
                return say.Done(id=n)
            case say.TellMedia(call=call_id):
                call = self._call(call_id)
                call.tell_media(
                    muted=message.muted, camera_off=message.camera_off, sharing=message.sharing
                )
            case say.Keep(target=target):
                if not self._rooms.has(target):
                    self._call(target)
                self._endpoint.kept.take(page, message)
            case say.ReadHistory(id=n, limit=limit):
                return say.History(id=n, calls=tuple(map(_past, node.history.list(limit))))
            case say.DeleteHistory(id=n, call=which):
                node.history.delete(which or "all")
                return say.Done(id=n)
            case say.Examine(id=n):
                findings = await node.examine()
                return say.Findings(id=n, findings=tuple(map(_finding, findings))[:64])
            case _:
                return await self._rooms.answer(page, message)
        return None

    async def _new_link(self, wanted: say.NewLink) -> say.LinkMade:
        made = await self._node.guests.links.new(
            wanted.title,
            seconds=wanted.hours * 3_600 or None,
            once=wanted.once,
            knock=wanted.knock,
        )
        until = when(made["expires"]) if made["expires"] else ""
        words = {
            "host": self._node.people.profile().name or "",
            "title": made["title"],
            "until": until,
            "once": wanted.once,
        }
        return say.LinkMade(
            id=wanted.id,
            link=made["link"],
            plain=email_plain(made["url"], **words),
            html=email_html(made["url"], **words),
        )

    def _call(self, call_id: str) -> Call:
        number = CallId(bytes.fromhex(call_id))
        call = self._node.calls.get(number) or self._node.rooms.call(number)
        if call is None:
            raise NoSuchCall("That call is over.")
        return call

    def _change_person(self, peer: Identity, action: say.PersonAction) -> None:
        people, do = self._node.people, say.PersonAction
        match action:
            case do.ACCEPT:
                people.accept(peer)
            case do.IGNORE:
                people.ignore(peer)
            case do.BLOCK:
                people.block(peer)
            case do.UNBLOCK:
                people.unblock(peer)
            case do.REMOVE:
                people.remove(peer)
            case do.MARK_VERIFIED:
                people.mark_verified(peer)
            case do.FAVOURITE:
                people.set_favourite(peer, favourite=True)
            case do.NO_FAVOURITE:
                people.set_favourite(peer, favourite=False)

    def _change_call(
        self, page: Page, call: Call, action: say.CallAction, note: str | None
    ) -> None:
        match action:
            case say.CallAction.DECLINE:
                call.decline(note)
            case say.CallAction.SILENCE:
                call.silence()
            case say.CallAction.HANG_UP:
                call.hang_up()
            case say.CallAction.MOVE_HERE:
                self._endpoint.kept.opened(call.current.id.hex(), page, taken_over=True)
                call.move(self._endpoint.on_page(page))
            case say.CallAction.RESTART_MEDIA:
                call.restart_media()


def refusal(number: int, error: OnMeetError) -> say.Refused:
    """How a page is told that something was not done."""
    sentence = str(error)[: shapes.MAX_SENTENCE_CHARS]
    return say.Refused(id=number, kind=type(error).__name__[:64], sentence=sentence)


def _qr(text: str) -> tuple[str, ...]:
    matrix = segno.make(text, error="m", micro=False).matrix
    return tuple("".join("1" if dark else "0" for dark in row) for row in matrix)


def _past(entry: dict[str, Any]) -> say.PastCall:
    report, receipts = entry.pop("report"), entry.pop("receipts")
    return say.PastCall(
        call=str(entry["call"]),
        identity=str(entry["identity"]),
        name=str(entry["with"]),
        outgoing=bool(entry["outgoing"]),
        started=int(str(entry["started"])),
        seconds=round(float(str(entry["seconds"]))),
        reason=EndReason(str(entry["reason"])) if entry["reason"] else None,
        sentence=str(entry["sentence"]),
        path=MediaPath(str(entry["path"])) if entry["path"] else None,
        region=str(entry["region"]) if entry["region"] else None,
        note=str(entry["note"]) if entry["note"] else None,
        report=json.dumps(report) if report else None,
        receipts=tuple(map(_receipt, receipts or ()))[:16],
        code=str(entry["code"]) if entry["code"] else None,
    )


def _receipt(entry: dict[str, Any]) -> say.ReceiptShown:
    return say.ReceiptShown(
        operator=clean_text(entry["operator"], MAX_NAME_CHARS) or entry["bootstrap"][-8:],
        signed="missing" not in entry,
        circuits=entry.get("circuits", 0),
        guests=entry.get("guests", 0),
        credentials=entry.get("credentials", 0),
        size=entry.get("circuit_bytes", 0) + entry.get("guest_bytes", 0),
        held=entry.get("held", 0),
    )


def _finding(finding: NodeFinding) -> say.Finding:
    return say.Finding(grade=finding.level, sentence=finding.what, remedy=finding.remedy or None)
