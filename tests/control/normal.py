"""What differs from run to run (keys, ids, times, ports, counters) becomes a placeholder.

A placeholder that names something is numbered by first appearance in its scene, so that the same
thing is seen to be the same: ``<key-1>`` in an answer is ``<key-1>`` in the next one. Keys of
objects, their order, enumerations and sentences stay as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from onmeet_node.contacts.own_devices import machine_name

TIMES = {"t", "started", "added", "expires", "began", "answered", "since",
         "created"}  # fmt: skip
NUMBERS = {
    "seconds", "jitter_ms", "size", "age", "age_s", "dht_peers", "channels",
    "circuit_bytes", "guest_bytes", "held", "circuits", "guests_lent", "credentials", "doors",
    "frames_sent", "frames_decoded", "frames_concealed", "packets_sent", "packets_received",
    "packets_lost", "bytes_sent", "bytes_received", "bitrate", "signed_at", "issued",
}  # fmt: skip
NAMED = {
    "page": "page", "sas": "numbers", "string": "numbers", "number": "safety",
    "safety_number": "safety", "token": "token", "username": "turn-user", "credential": "turn-key",
}  # fmt: skip
WHOLE = {
    "sdp": "<sdp>", "candidate": "<candidate>", "version": "<version of the roster>",
    "bootstrap": "<bootstrap>", "data": "<bytes>", "rows": ["<qr>"], "server": "<server>",
    "session": "<session>",
}  # fmt: skip
"""By their key, whatever they are, if they are anything."""
MACHINE = {"keyring", "round_trip_ms", "last_seen", "connected"}
_QR = re.compile(r"[█▀▄ ]+")
_PATTERNS = (
    ("room-code", r"onmeet-room:[0-9a-f]+@onmeet:[A-Za-z0-9_-]+"),
    ("code", r"onmeet:[A-Za-z0-9_-]{40,}"),
    ("app", r"http://127\.0\.0\.1:\d+/#c=[A-Za-z0-9_-]+"),
    ("link", r"https?://[\w.:\[\]-]+/j#[A-Za-z0-9_-]+"),
    ("server", r"https?://(?:127\.0\.0\.1|localhost):\d+"),
    ("address", r"/(?:ip4|ip6|dns4?)/[^/\s]+(?:/(?!p2p)[a-z0-9-]+(?:/\d+)?)*(?:/p2p/12D3Koo\w+)?"),
    ("peer", r"12D3Koo\w+"),
    ("numbers", r"\b\d{4} \d{4} \d{4}\b|\b\d{3} \d{3}\b"),
    ("safety", r"\b\d{60}\b|\b\d{5}(?:  ?\d{5}){3}\b"),
    ("time", r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?\b|\b\d{8}T\d{6}Z?\b"),
    ("machine", rf"(?<![\w-]){re.escape(machine_name())}(?![\w-])"),
    ("hex", r"(?<![0-9A-Za-z-])[0-9a-f]{8,128}(?![0-9A-Za-z-])"),
)
_PATTERN = re.compile("|".join(f"(?P<{n.replace('-', '_')}>{p})" for n, p in _PATTERNS))
_LASTED = re.compile(r"(It lasted |━  |│ )\d+:\d\d\b")
_LENGTHS = {64: "key", 32: "id"}


class Normal:
    """The names of one scene."""

    def __init__(self, known: Mapping[str, str]) -> None:
        """`known`: texts that have a name from the beginning, as directories of this run."""
        self._known = dict(sorted(known.items(), key=lambda item: -len(item[0])))
        self._names: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        self._long: dict[str, str] = {}
        """Whole keys and ids, of which a text may show a part."""

    def value(self, value: Any, key: str = "") -> Any:
        """A value of JSON or msgpack, without what is of this run alone."""
        if key in MACHINE:
            return "<as the machine is>"
        if value is None or isinstance(value, bool):
            return value
        if key == "report" and isinstance(value, str):
            return shape(json.loads(value))
        if key in WHOLE and value not in ("", b"", [], ()):
            return WHOLE[key]
        match value:
            case bytes():
                return f"<{len(value)} bytes>"
            case dict():
                return {self.text(k): self.value(v, k) for k, v in value.items()}
            case list() | tuple():
                return [self.value(v, key) for v in value]
            case int() | float():
                return self._number(value, key)
            case str():
                if key in NAMED and value:
                    return self._name(NAMED[key], value)
                return self.text(value)
            case _:
                raise TypeError(f"{key} is {type(value)}")

    def _number(self, value: float, key: str) -> Any:
        if key in TIMES:
            return "<time>"
        if key in NUMBERS:
            return "<number>"
        if key in NAMED:
            return self._name(NAMED[key], str(value))
        return value

    def text(self, text: str) -> str:
        """A sentence or a line."""
        if "BEGIN:VCALENDAR" in text:
            text = re.sub(r"\r?\n ", "", text)
        for known, name in self._known.items():
            text = text.replace(known, name)
        return _LASTED.sub(r"\1<duration>", _PATTERN.sub(self._replaced, text))

    def lines(self, text: str) -> list[str]:
        """What a command printed: tables without their widths, pictures as a word."""
        lines: list[str] = []
        if "BEGIN:VCALENDAR" in text:
            text = re.sub(r"\r?\n ", "", text)
        for line in text.splitlines():
            if line.strip() and _QR.fullmatch(line):
                shown = "<qr>"
            else:
                shown = re.sub(r"[━─┄]{2,}", "━━", re.sub(r" {2,}", "  ", self.text(line))).rstrip()
            shown = re.sub(r"(signed that it released: ).*", r"\1<what>", shown)
            shown = re.sub(r"^(DHT nodes|Channels)  \d+", r"\1  <number>", shown)
            if not (shown == "<qr>" and lines[-1:] == ["<qr>"]):
                lines.append(shown)
        return lines

    def _replaced(self, match: re.Match[str]) -> str:
        kind, found = str(match.lastgroup).replace("_", "-"), match[0]
        if kind == "time":
            return "<time>"
        return self._hex(found) if kind == "hex" else self._name(kind, found)

    def _hex(self, found: str) -> str:
        if len(found) in _LENGTHS:
            name = self._name(_LENGTHS[len(found)], found)
            self._long[found] = name
            return name
        for whole, name in self._long.items():
            if whole.startswith(found):
                return f"{name[:-1]}[:{len(found)}]>"
            if whole.endswith(found):
                return f"{name[:-1]}[-{len(found)}:]>"
        if not re.search(r"[a-f]", found) and len(found) != 8:
            return "<digits>"
        return self._name(f"hex{len(found)}", found)

    def _name(self, kind: str, found: str) -> str:
        if (kind, found) not in self._names:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._names[kind, found] = f"<{kind}-{self._counts[kind]}>"
        return self._names[kind, found]


def shape(value: Any) -> Any:
    """A value's keys, in order, and the kinds of what they hold: of what comes in any order."""
    match value:
        case dict():
            return {k: shape(v) if k != "event" else v for k, v in value.items()}
        case list() | tuple():
            return [shape(value[0])] if value else []
        case None:
            return None
        case _:
            return f"<{type(value).__name__}>"


def calendar(text: str) -> list[str]:
    """A file for calendars, its long lines whole again."""
    return re.sub(r"\r?\n ", "", text).splitlines()


def same(one: Any, other: Any) -> bool:
    """Equal, and in the same order."""
    return json.dumps(one) == json.dumps(other)
