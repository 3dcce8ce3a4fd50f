"""What commands answer of calls, guests and rooms, to the byte: programs read it."""

from __future__ import annotations

import json
from pathlib import Path

import trio

from onmeet_node.calls.history import History
from onmeet_node.calls.kept_receipts import receipt_of, receipts_as_json, receipts_told
from onmeet_node.calls.views import StreamView
from onmeet_node.control.as_json import as_json
from onmeet_node.guests.links import Link
from onmeet_node.guests.views import GuestView
from onmeet_node.media.ice_report import IceReport, PairReport, ServerReport
from onmeet_node.net.bootstraps.receipts import Settled
from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.wire.bootstrap_api import Receipt, SignedReceipt
from onmeet_node.protocol.wire.messages import CallId, Kind
from onmeet_node.rooms.views import InvitationView, RoomsView, RoomWithMedia, SeatWithMedia
from onmeet_node.store import CallRecord, KeyFile, LinkRow, create_home, open_home
from onmeet_node.store.tolerance import WriteTolerance
from tests.fakes.rooms import Meeting

REPORT = IceReport(
    local=("host/udp",),
    remote=("relay/tls",),
    pairs=(PairReport("host/udp", "relay/tls", "succeeded", count=2),),
    servers=(ServerReport("turn/tls", worked=True),),
    nat="easy",
)
STREAM = StreamView(Kind.AUDIO, 1, 2, 3, 4, 5, 6, None)


def said(view: object) -> str:
    return json.dumps(as_json(view))


def test_a_call_of_the_past(tmp_path: Path) -> None:
    create_home(tmp_path / "home", KeyFile(), b"s" * 32, now=0)
    with open_home(tmp_path / "home", KeyFile()) as store:
        signed = SignedReceipt(body=b"\x01", signature=b"\x02" * 64)
        receipts = receipts_as_json(
            [
                Settled(operator="Op", peer="p1", receipt=Receipt(since=1, until=2), signed=signed),
                Settled(operator="", peer="p2", missing="it has gone"),
            ]
        )
        store.calls.save(
            CallRecord(
                call=CallId(b"c" * 16),
                peer=Identity(b"i" * 32),
                outgoing=True,
                started=100,
                kinds=frozenset(Kind),
                answered=110,
                ended=170,
                reason=EndReason.HUNG_UP,
                path=MediaPath.RELAY,
                region="de",
                report=REPORT.as_json(),
                sas="1 2 3",
                note=None,
                seen=True,
                came_by=None,
            )
        )
        store.calls.update(Identity(b"i" * 32), CallId(b"c" * 16), receipts=receipts)
        history = History(
            store, WriteTolerance(), name_of=lambda _: "Bob", code_of=lambda _: "work"
        )
        (shown,) = history.list(5)
        assert said(shown) == (
            f'{{"call": "{"63" * 16}", "identity": "{"69" * 32}", "with": "Bob", '
            '"outgoing": true, "started": 100, "seconds": 60, "reason": "hung-up", '
            '"sentence": "You hung up.", "path": "relay", "region": "de", "report": '
            f"{json.dumps(json.loads(REPORT.as_json()))}, "
            f'"sas": "1 2 3", "note": null, "receipts": {receipts}, "code": "work"}}'
        )
        entries = json.loads(receipts)
        assert said([receipt_of(entry) for entry in entries]) == receipts
        assert receipts_told(map(receipt_of, entries)) == [
            "Op signed that it released: nothing but the connection (0.0 kB sealed)",
            "No receipt from the bootstrap p2: it has gone",
        ]


def test_a_link_and_a_guest() -> None:
    link = Link(
        LinkRow(
            door_secret=b"d" * 16,
            key=b"k" * 32,
            secret=b"s" * 16,
            title="Tuesday",
            gateway="g",
            origin="https://gateway.example",
            once=True,
            knock=False,
            created=1,
            expires=None,
        )
    )
    shown = link.describe()
    assert said(shown) == (
        f'{{"link": "{link.id}", "title": "Tuesday", "url": "{shown.url}", "once": true, '
        '"knock": false, "created": 1, "expires": null, "open": false, "trouble": null}'
    )
    assert shown.url not in repr(shown), "it is a secret"
    guest = GuestView(Identity(b"g" * 32), "Gerda", link.id, "Tuesday", "knocking")
    assert said(guest) == (
        f'{{"guest": "{"67" * 32}", "name": "Gerda", "link": "{link.id}", "title": "Tuesday", '
        '"state": "knocking"}'
    )


async def test_a_room_and_who_is_in_it(autojump_clock: object) -> None:
    async with trio.open_nursery() as nursery:
        meeting = Meeting(nursery)
        ada = await meeting.create("ada", knock=True)
        await meeting.join("ben", ada, invited=False)
        await trio.sleep(1)
        room = ada.conference.describe()
        with_media = await ada.conference.describe_with_media()
        nursery.cancel_scope.cancel()
    me, (knocker,) = ada.conference.me.hex(), room.knocking
    before, seat, after = (
        f'{{"room": "{"72" * 16}", "title": "Tuesday", "state": "in", "role": "host", '
        f'"locked": false, "knock": true, "host": "{me}", "version": [0, 0, {room.version[2]}], '
        f'"string": {json.dumps(room.string)}, "people": [',
        f'{{"key": "{me}", "name": "ada", "role": "host", "me": true, "here": true, '
        '"media": true, "seen": true, "hand": false, "muted": false, "camera_off": false, '
        '"sharing": false, "contact": null, "identity": null, "verified": false, "card": {}, '
        '"path": null, "call": null, "hidden": false',
        f'], "knocking": [{{"key": "{knocker.key.hex()}", "name": "ben"}}], "warnings": []}}',
    )
    assert said(room) == f"{before}{seat}}}{after}"
    assert said(with_media) == f'{before}{seat}, "streams": []}}{after}'
    (person,) = room.people
    with_streams = RoomWithMedia.of(room, [SeatWithMedia.of(person, [STREAM])])
    assert said(with_streams) == (
        f'{before}{seat}, "streams": [{{"kind": "audio", "frames_sent": 1, "frames_decoded": 2, '
        '"frames_concealed": 3, "packets_lost": 4, "bytes_sent": 5, "bytes_received": 6, '
        f'"round_trip_ms": null}}]}}{after}'
    )
    invitation = InvitationView(b"r" * 16, "Wednesday", "Cleo")
    assert said(RoomsView((room,), (invitation,), ("Team",))) == (
        f'{{"rooms": [{said(room)}], "invitations": [{{"room": "{"72" * 16}", '
        '"title": "Wednesday", "from": "Cleo"}], "standing": ["Team"]}'
    )
