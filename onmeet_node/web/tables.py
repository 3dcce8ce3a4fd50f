"""The figures of the protocol for the pages: ``python -m onmeet_node.web.tables`` writes them.

A guest's page has the protocol in a language of its own, which proves that PROTOCOL suffices; its
figures are these, so that no number stands in two places.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from onmeet_node.protocol.room import send_limits, timing
from onmeet_node.protocol.room.phases import Phase
from onmeet_node.protocol.wire import cipher, frames, limits, turn
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire import room as w

PROTOCOL = Path(__file__).parents[2] / "ui" / "src" / "protocol"
_HEAD = """\
// Made from onmeet_node/protocol by: python -m onmeet_node.web.tables
// A test compares the two; change the Python and run it again.
"""

LINE = {
    "MAX_NOISE_BYTES": cipher.MAX_NOISE_BYTES,
    "MAX_FRAME_BYTES": frames.MAX_FRAME_BYTES,
    "MAX_TYPE_CHARS": m.MAX_TYPE_CHARS,
    "MAX_NAME_CHARS": limits.MAX_NAME_CHARS,
    "MAX_SDP_CHARS": m.MAX_SDP_CHARS,
    "MAX_CANDIDATES": m.MAX_CANDIDATES,
    "MAX_GENERATION": m.MAX_GENERATION,
    "MAX_SERVERS": turn.MAX_SERVERS,
    "MAX_CARRIED": w.MAX_CARRIED_BYTES,
    "CALL_ID_BYTES": m.CALL_ID_BYTES,
    "TICKET_BYTES": m.TICKET_BYTES,
    "GUEST_ID_BYTES": m.GUEST_ID_BYTES,
    "KEY_BYTES": w.KEY_BYTES,
    "ROOM_ID_BYTES": w.ROOM_ID_BYTES,
}
"""Of a guest's line to the host: bytes, characters, entries."""
ROOM = {
    "COMMITMENT_BYTES": w.COMMITMENT_BYTES,
    "NONCE_BYTES": w.NONCE_BYTES,
    "MAX_SEATS": w.MAX_SEATS,
    "MAX_REMOVED": w.MAX_REMOVED,
    "MAX_ROSTER_BYTES": w.MAX_ROSTER_BYTES,
    "MAX_COUNT": w.MAX_COUNT,
    "MAX_REACTION_CHARS": w.MAX_REACTION_CHARS,
    "MAX_TEXT_CHARS": limits.MAX_TEXT_CHARS,
    "MAX_FIELD_CHARS": m.MAX_FIELD_CHARS,
}
"""Of the channels of a room besides: a file of its own, which a call between two never loads."""
TIMES = {
    name: getattr(timing, name)
    for name in ("CLAIM", "RETRY", "MAX_RETRY", "KNOCK", "AWAY", "BLIND", "STRAY")
}
"""Of a room, in seconds; the pages have milliseconds."""


def generate() -> dict[Path, str]:
    """The files, whole."""
    line = [*_numbers(LINE), "", *_words("KINDS", m.Kind), *_words("WAIT_STATES", m.WaitState)]
    room = [*_numbers(ROOM), "", *_words("ROLES", w.Role), *_words("PICTURE_SIZES", w.PictureSize)]
    room += _words("PHASES", Phase)
    room += ["", "// Milliseconds (onmeet_node/protocol/room/timing.py)."]
    room += _numbers({name: round(1000 * seconds) for name, seconds in TIMES.items()})
    room += ["", *_send_limits()]
    files = {"tables.ts": line, "room-tables.ts": room}
    return {PROTOCOL / name: "\n".join([_HEAD, *lines, ""]) for name, lines in files.items()}


def _numbers(values: Mapping[str, int]) -> Iterator[str]:
    return (f"export const {name} = {value:_};" for name, value in values.items())


def _words(name: str, words: type[enum.StrEnum]) -> Iterator[str]:
    yield f"export const {name} = {json.dumps(list(words))} as const;"


def _send_limits() -> Iterator[str]:
    yield "/** Most people with picture; bits per second, rows, pictures per second; screen. */"
    yield "export type SendLimitsRow = readonly [number, number, number, number, number];"
    for name, rows in (("LARGE", send_limits.LARGE), ("SMALL", send_limits.SMALL)):
        yield f"export const {name}: readonly SendLimitsRow[] = ["
        for most, row in rows.items():
            values = (most, row.bitrate, row.height, row.frame_rate, row.share_bitrate)
            yield f"  [{', '.join(f'{value:_}' for value in values)}],"
        yield "];"


if __name__ == "__main__":
    for file, text in generate().items():
        file.write_text(text, encoding="utf-8")
