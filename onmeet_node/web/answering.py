"""What a page is answered: the message that a command's view becomes."""

from __future__ import annotations

import json
from typing import Any

from onmeet_node.calls.sentences import when
from onmeet_node.calls.views import CallRecordView, MissingReceipt, ReceiptView
from onmeet_node.contacts.own_devices import DeviceView
from onmeet_node.control.as_json import as_json
from onmeet_node.control.qr import qr_rows
from onmeet_node.control.requests import calls, devices, guests, node, people, rooms
from onmeet_node.control.shapes import MAX_SENTENCE_CHARS, Request
from onmeet_node.control.views import GuestLinkMade
from onmeet_node.errors import OnMeetError
from onmeet_node.findings import Finding
from onmeet_node.guests.invitation import email_html, email_plain
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.wire.messages import MAX_NAME_CHARS
from onmeet_node.web.messages import FromNode, answers
from onmeet_node.web.messages import rooms as room

MAX_HISTORY = 500
"""Past calls that a message to a page holds."""
MAX_FINDINGS = 64


def answer_to(request: Request, view: Any) -> FromNode:
    """The answer that names the request's number: `Done`, where the page is shown the rest."""
    n: int = getattr(request, "id")  # noqa: B009 - each request has one
    match request:
        case people.ReadCode():
            return answers.CodeRead(
                id=n,
                identity=view.identity.hex(),
                name=view.name,
                expires=view.expires,
                known=view.known,
            )
        case people.DrawQr():
            return answers.Qr(id=n, rows=view.rows)
        case people.AddContact() | people.SayCode():
            return answers.Added(id=n, identity=view.identity.hex(), delivered=view.delivered)
        case people.LookFor():
            return answers.Presence(id=n, reachable=view.reachable)
        case people.Verify():
            number = view.safety_number
            return answers.SafetyNumber(id=n, number=number, rows=qr_rows(number))
        case people.GetPicture():
            return answers.PictureShown(id=n, data=view.data or b"")
        case calls.Dial():
            return answers.Dialled(id=n, call=view.call.hex())
        case calls.ReadHistory():
            return answers.History(id=n, calls=tuple(map(_past, view[:MAX_HISTORY])))
        case guests.NewLink():
            return _link(n, view, once=request.once)
        case devices.ListDevices():
            return answers.DevicesShown(id=n, devices=tuple(map(_device, view)))
        case node.Examine():
            return answers.Findings(id=n, findings=tuple(map(_finding, view))[:MAX_FINDINGS])
        case rooms.NewRoom() | rooms.JoinRoom():
            return room.RoomMade(id=n, room=view.room.hex())
        case rooms.InviteToRoom():
            return room.Invited(id=n, delivered=view.delivered)
        case rooms.LinkToRoom():
            return room.RoomLink(id=n, url=view.url)
        case rooms.SayInRoom():
            return room.SaidInRoom(id=n, missed=tuple(key.hex() for key in view.keys))
        case rooms.PlanMeeting():
            return room.Calendar(id=n, name=view.name, text=view.calendar)
        case _:
            return answers.Done(id=n)


def refusal(number: int, error: OnMeetError) -> answers.Refused:
    """How a page is told that something was not done."""
    sentence = str(error)[:MAX_SENTENCE_CHARS]
    return answers.Refused(id=number, kind=error.kind[:64], sentence=sentence)


def _link(number: int, made: GuestLinkMade, *, once: bool) -> answers.LinkMade:
    words: dict[str, Any] = {
        "host": made.host or "",
        "title": made.title,
        "until": when(made.expires) if made.expires else "",
        "once": once,
    }
    return answers.LinkMade(
        id=number,
        link=made.link,
        plain=email_plain(made.url, **words),
        html=email_html(made.url, **words),
    )


def _past(entry: CallRecordView) -> answers.PastCall:
    return answers.PastCall(
        call=entry.call.hex(),
        identity=entry.identity.hex(),
        name=entry.with_,
        outgoing=entry.outgoing,
        started=entry.started,
        seconds=entry.seconds,
        reason=entry.reason,
        sentence=entry.sentence,
        path=entry.path,
        region=entry.region or None,
        note=entry.note or None,
        report=json.dumps(as_json(entry.report)) if entry.report is not None else None,
        receipts=tuple(map(_receipt, entry.receipts or ()))[:16],
        code=entry.code or None,
    )


def _receipt(one: ReceiptView | MissingReceipt) -> answers.ReceiptShown:
    operator = clean_text(one.operator, MAX_NAME_CHARS) or one.bootstrap[-8:]
    if isinstance(one, MissingReceipt):
        return answers.ReceiptShown(
            operator=operator, signed=False, circuits=0, guests=0, credentials=0, size=0, held=0
        )
    return answers.ReceiptShown(
        operator=operator,
        signed=True,
        circuits=one.circuits,
        guests=one.guests,
        credentials=one.credentials,
        size=one.circuit_bytes + one.guest_bytes,
        held=one.held,
    )


def _device(view: DeviceView) -> answers.OwnDevice:
    return answers.OwnDevice(
        key=view.key.hex(),
        name=view.name,
        since=view.since,
        holds_identity=view.holds_identity,
        here=view.here,
    )


def _finding(finding: Finding) -> answers.Finding:
    remedy = finding.remedy or None
    return answers.Finding(grade=finding.level, sentence=finding.what, remedy=remedy)
