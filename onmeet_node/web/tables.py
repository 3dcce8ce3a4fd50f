"""Limits, words and figures of the node's definitions, as constants of the pages.

A guest's page has the protocol in a language of its own, which proves that PROTOCOL suffices, and
the app keeps to the limits of its messages; both read the figures from what is made here, so that
no number stands in two places. `typescript` writes the files.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator, Mapping

import attrs

from onmeet_node.control.requests import node as asked_of_node
from onmeet_node.control.requests import people as asked_of_people
from onmeet_node.guests import call_transport, handler
from onmeet_node.joining import call as joining_call
from onmeet_node.joining import retrying
from onmeet_node.joining import room as joining_room
from onmeet_node.net.channels.timing import Timing
from onmeet_node.protocol.call import timing as call_timing
from onmeet_node.protocol.room import send_limits
from onmeet_node.protocol.room import timing as room_timing
from onmeet_node.protocol.room.phases import Phase
from onmeet_node.protocol.wire import bootstrap_api, cipher, codec, kem, limits, rekey, turn
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire import room as w
from onmeet_node.protocol.wire.fields import SHAPE, Data, Integer, Maybe, Several, Text
from onmeet_node.web import page_endpoint
from onmeet_node.web.messages import media, own


def most(cls: type, name: str) -> int:
    """The most that a message's field takes: characters, bytes, entries, or the greatest number."""
    shape = getattr(attrs.fields(cls), name).metadata[SHAPE]
    match shape.shape if isinstance(shape, Maybe) else shape:
        case Text(high=high) | Data(high=high) | Integer(high=high) | Several(high=high):
            return high
        case other:
            raise TypeError(f"{cls.__name__}.{name} has no limit: {other!r}")


_CHANNEL = Timing()

LINE = {
    "MAX_NOISE_BYTES": cipher.MAX_NOISE_BYTES,
    "MAX_LIST": codec.MAX_LIST,
    "KEM_PUBLIC_BYTES": kem.KEM_PUBLIC_BYTES,
    "KEM_CIPHERTEXT_BYTES": kem.KEM_CIPHERTEXT_BYTES,
    "REKEY_MESSAGES": rekey.REKEY_MESSAGES,
    "MAX_TYPE_CHARS": m.MAX_TYPE_CHARS,
    "MAX_NAME_CHARS": limits.MAX_NAME_CHARS,
    "MAX_GUEST_NAME_CHARS": handler.MAX_NAME_CHARS,
    "MAX_OPERATOR_CHARS": bootstrap_api.MAX_OPERATOR_CHARS,
    "MAX_TEXT_CHARS": limits.MAX_TEXT_CHARS,
    "MAX_LINE_BYTES": limits.MAX_LINE_BYTES,
    "MAX_BACKLOG_BYTES": limits.MAX_BACKLOG_BYTES,
    "MAX_REASON_CHARS": most(m.Bye, "reason"),
    "MAX_SDP_CHARS": m.MAX_SDP_CHARS,
    "MAX_CANDIDATES": m.MAX_CANDIDATES,
    "MAX_CANDIDATE_CHARS": most(m.Candidate, "candidate"),
    "MAX_MID_CHARS": most(m.Candidate, "mid"),
    "MAX_MID_INDEX": most(m.Candidate, "index"),
    "MAX_GENERATION": m.MAX_GENERATION,
    "MAX_PING": most(m.Ping, "n"),
    "MAX_SERVERS": turn.MAX_SERVERS,
    "MAX_SERVER_URL_CHARS": most(turn.LentTurnServer, "url"),
    "MAX_CREDENTIAL_CHARS": most(turn.LentTurnServer, "credential"),
    "MAX_CARRIED": w.MAX_CARRIED_BYTES,
    "CALL_ID_BYTES": m.CALL_ID_BYTES,
    "COMMITMENT_BYTES": m.COMMITMENT_BYTES,
    "NONCE_BYTES": m.NONCE_BYTES,
    "MAX_STRINGS": call_timing.MAX_STRINGS,
    "TICKET_BYTES": m.TICKET_BYTES,
    "GUEST_ID_BYTES": m.GUEST_ID_BYTES,
    "KEY_BYTES": w.KEY_BYTES,
    "ROOM_ID_BYTES": w.ROOM_ID_BYTES,
}
"""Of a guest's line to the host, and of a call: bytes, characters, entries."""
LINE_TIMES = {
    "PING": _CHANNEL.interval,
    "DEAD": _CHANNEL.dead_after,
    "REKEY": rekey.REKEY_SECONDS,
    "CROWDED": retrying.CROWDED_WAIT_SECONDS,
    "LONGEST_AT_DOOR": retrying.LONGEST_WAIT_SECONDS,
    "PATH": joining_call.PATH_SECONDS,
    "RECONNECT": call_timing.RECONNECT,
    "REJOIN": call_transport.REJOIN_SECONDS,
}
"""Seconds; the pages have milliseconds."""
ROOM = {
    "MAX_SEATS": w.MAX_SEATS,
    "MAX_REMOVED": w.MAX_REMOVED,
    "MAX_ROSTER_BYTES": w.MAX_ROSTER_BYTES,
    "MAX_COUNT": w.MAX_COUNT,
    "MAX_REACTION_CHARS": w.MAX_REACTION_CHARS,
    "MAX_FIELD_CHARS": m.MAX_FIELD_CHARS,
    "BURST": int(_CHANNEL.burst),
    "RATE": int(_CHANNEL.rate),
}
"""Of the channels of a room besides: a file of its own, which a call between two never loads."""
ROOM_TIMES = {
    **{
        name: getattr(room_timing, name)
        for name in ("CLAIM", "RETRY", "MAX_RETRY", "KNOCK", "AWAY", "BLIND", "STRAY")
    },
    "LENT": joining_room.LENT_SECONDS,
}
APP = {
    "MAX_CODE_CHARS": most(asked_of_people.ReadCode, "code"),
    "MAX_LABEL_CHARS": most(asked_of_people.NewCode, "label"),
    "MAX_NOTE_CHARS": most(asked_of_people.AddContact, "note"),
    "MAX_BOOTSTRAP_CHARS": most(asked_of_node.ChangeSettings, "add_bootstrap"),
    "MAX_PASSPHRASE_CHARS": most(own.CreateHome, "passphrase"),
    "MAX_VALUE_CHARS": m.MAX_FIELD_CHARS,
    "MAX_PICTURE_BYTES": most(asked_of_people.SetPicture, "data"),
    "MAX_DRAFT_CHARS": most(own.Keep, "draft"),
    "MAX_DEVICE_CHARS": most(own.Keep, "camera"),
    "MAX_LANGUAGE_CHARS": most(own.Hello, "language"),
    "MAX_WHY_CHARS": most(media.MediaFailed, "why"),
    "MAX_SERVER_CHARS": most(media.MediaConnected, "server"),
    "MAX_SERVERS_SEEN": most(media.MediaCounters, "servers"),
    "MAX_PAIRS_SEEN": most(media.MediaCounters, "pairs"),
    "MAX_TYPES_SEEN": most(media.MediaCounters, "local"),
    "MAX_ERROR_CHARS": most(media.ServerSeen, "error"),
    "MAX_PAIR_COUNT": most(media.PairSeen, "count"),
    "MAX_MILLISECONDS": most(media.StreamCounters, "jitter_ms"),
}
"""Of what the app asks and tells its node: characters, bytes, entries."""
APP_TIMES = {"RELOAD": page_endpoint.RELOAD_SECONDS}


def of_line() -> Iterator[str]:
    """For the guest page, and for calls."""
    yield from _numbers(LINE)
    yield ""
    yield from _words("KINDS", m.Kind)
    yield from _words("WAIT_STATES", m.WaitState)
    yield from _milliseconds(LINE_TIMES)


def of_room() -> Iterator[str]:
    """For the part of the guest page that rooms need."""
    yield from _numbers(ROOM)
    yield ""
    yield from _words("ROLES", w.Role)
    yield from _words("PICTURE_SIZES", w.PictureSize)
    yield from _words("PHASES", Phase)
    yield from _milliseconds(ROOM_TIMES)
    yield ""
    yield from _send_limits()


def of_app() -> Iterator[str]:
    """For the page's side of the messages of the app."""
    yield from _numbers(APP)
    yield from _milliseconds(APP_TIMES)


def _numbers(values: Mapping[str, int]) -> Iterator[str]:
    return (f"export const {name} = {value:_};" for name, value in values.items())


def _milliseconds(values: Mapping[str, float]) -> Iterator[str]:
    yield ""
    yield "// Milliseconds."
    yield from _numbers({name: round(1000 * seconds) for name, seconds in values.items()})


def _words(name: str, words: type[enum.StrEnum]) -> Iterator[str]:
    yield f"export const {name} = {json.dumps(list(words))} as const;"


def _send_limits() -> Iterator[str]:
    yield "/** Most people with picture; bits per second, rows, pictures per second; screen. */"
    yield "export type SendLimitsRow = readonly [number, number, number, number, number];"
    for name, rows in (("LARGE", send_limits.LARGE), ("SMALL", send_limits.SMALL)):
        yield f"export const {name}: readonly SendLimitsRow[] = ["
        for people, row in rows.items():
            values = (people, row.bitrate, row.height, row.frame_rate, row.share_bitrate)
            yield f"  [{', '.join(f'{value:_}' for value in values)}],"
        yield "];"
