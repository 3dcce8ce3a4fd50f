"""JSON of views: the same objects, keys and order as commands have always printed."""

from __future__ import annotations

import json

import pytest

from onmeet_node.calls.views import StreamView
from onmeet_node.contacts.views import CardView, CodeView, ContactView, ProfileView
from onmeet_node.control.as_json import as_json, from_json
from onmeet_node.node.views import CallView, CallWithMedia, NodeSettings, NodeStatus
from onmeet_node.protocol.call.effects import EndReason, Ring, State
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.call.node_calls import Busy
from onmeet_node.protocol.identity.policy import ReachPolicy
from onmeet_node.protocol.identity.profile import DEFAULT_SHARES
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.wire.messages import CallId, Kind

ANN = Identity(b"\xa1" * 32)
CALL = CallView(
    call=CallId(b"\xc1" * 16),
    with_="Ann",
    identity=ANN,
    outgoing=True,
    state=State.ENDED,
    ring=Ring.ALERTING,
    reason=EndReason.HUNG_UP,
    path=MediaPath.RELAY,
    sas=None,
    doubt=None,
    compared=None,
    peer_compared=None,
)
STREAM = StreamView(
    kind=Kind.AUDIO,
    frames_sent=1,
    frames_decoded=2,
    frames_concealed=3,
    packets_lost=4,
    bytes_sent=5,
    bytes_received=6,
    round_trip_ms=7.5,
)
CALL_JSON = (
    '"call": "c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1", "with": "Ann", '
    f'"identity": "{"a1" * 32}", "outgoing": true, "state": "ended", "ring": "alerting", '
    '"reason": "hung-up", "path": "relay", "sas": null, "doubt": null, '
    '"compared": null, "peer_compared": null'
)
VIEWS = {
    "a contact": (
        ContactView(
            identity=ANN,
            name="Ann",
            code="work",
            state="stranger",
            verified=False,
            favourite=True,
            added=7,
            last_seen=None,
            card=CardView(name="Ann", country=None, phone="+1", email=None),
        ),
        f'{{"identity": "{"a1" * 32}", "name": "Ann", "code": "work", "state": "stranger", '
        '"verified": false, "favourite": true, "added": 7, "last_seen": null, "card": '
        '{"name": "Ann", "country": null, "phone": "+1", "email": null}}',
    ),
    "a code": (
        CodeView(audience=3, label="work", uri="onmeet:x", expires=None, direct=True),
        '{"audience": 3, "label": "work", "uri": "onmeet:x", "expires": null, "direct": true}',
    ),
    "a profile": (
        ProfileView(
            name="Ann",
            country=None,
            phone=None,
            email="a@example.org",
            picture=b"\x01" * 16,
            shares=DEFAULT_SHARES,
            reach=ReachPolicy.CODES,
            busy=Busy.HIDE,
        ),
        '{"name": "Ann", "country": null, "phone": null, "email": "a@example.org", '
        f'"picture": "{"01" * 16}", "shares": {{"name": "everyone", "country": "contacts", '
        '"phone": "nobody", "email": "nobody", "picture": "contacts"}, '
        '"reach": "codes", "busy": "hide"}',
    ),
    "a call": (CALL, f"{{{CALL_JSON}}}"),
    "settings": (
        NodeSettings(relay_only=True, region="ca", bootstraps=("/ip4/1",)),
        '{"relay_only": true, "region": "ca", "bootstraps": ["/ip4/1"]}',
    ),
    "a status": (
        NodeStatus(
            identity=ANN,
            peer_id="12D",
            reachable=True,
            addresses=("/ip4/1", "/ip4/2"),
            bootstraps=1,
            dht_peers=2,
            channels=3,
            contacts=4,
            requests=5,
            calls=(CallWithMedia.of(CALL, [STREAM]),),
            faults={"call": 1},
        ),
        f'{{"identity": "{"a1" * 32}", "peer_id": "12D", "reachable": true, '
        '"addresses": ["/ip4/1", "/ip4/2"], "bootstraps": 1, "dht_peers": 2, "channels": 3, '
        f'"contacts": 4, "requests": 5, "calls": [{{{CALL_JSON}, "streams": [{{"kind": "audio", '
        '"frames_sent": 1, "frames_decoded": 2, "frames_concealed": 3, "packets_lost": 4, '
        '"bytes_sent": 5, "bytes_received": 6, "round_trip_ms": 7.5}]}], "faults": {"call": 1}}',
    ),
}


@pytest.mark.parametrize("what", VIEWS)
def test_a_view_is_the_same_json_as_ever(what: str) -> None:
    view, expected = VIEWS[what]
    assert json.dumps(as_json(view)) == expected


@pytest.mark.parametrize("what", VIEWS)
def test_what_the_node_answered_is_the_view_again(what: str) -> None:
    view, expected = VIEWS[what]
    assert from_json(json.loads(expected), type(view)) == view


def test_several_are_a_list_and_nothing_is_null() -> None:
    code, _ = VIEWS["a code"]
    assert as_json((code, code)) == [as_json(code)] * 2
    assert as_json(None) is None
