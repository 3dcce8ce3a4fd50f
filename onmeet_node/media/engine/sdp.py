"""What is read out of a peer's SDP, and what the peer sees of ours. Pure.

A peer's description never reaches aiortc: it is read here into typed values, and aiortc gets text
written anew from them. What we do not use is not passed on, so no parser but this one meets it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from onmeet_node.media.errors import BadDescription
from onmeet_node.protocol.wire.messages import MAX_CANDIDATES, MAX_SDP_CHARS, Candidate, Kind

MAX_LINES = 800
"""A Chromium offer with audio, video and data has about 190."""
MAX_LINE_CHARS = 1_000
MAX_SECTIONS = 3
"""Sound, picture and data, each once."""
MAX_FORMATS = 64
"""Payload types of a section; Chromium's video has some 40."""
MAX_SSRCS = 8
"""Sources of a section; a sender has one, and one for retransmissions."""
MAX_EXTENSIONS = 32

MAX_TRICKLED = 256
"""Candidates given at once: those of a whole generation (`call.timing.MAX_REMOTE_CANDIDATES`)."""

MAX_MESSAGE_BYTES = 1 << 24
DEFAULT_MESSAGE_BYTES = 65_536
"""Of a data channel, where the peer does not say (RFC 8841, 6.1)."""
DEFAULT_SCTP_PORT = 5_000

CANDIDATE = re.compile(
    r"candidate:(?P<foundation>[\w+/-]{1,32}) (?P<component>[12]) (?P<transport>(?i:udp|tcp)) "
    r"(?P<priority>\d{1,10}) (?P<host>[\w.:-]{1,253}) (?P<port>\d{1,5}) typ "
    r"(?P<type>host|srflx|prflx|relay)( [\x21-\x7e]+){0,20}",
    re.ASCII,
)
"""RFC 8839, 5.1."""

_MDNS = re.compile(r"[\w-]{1,63}\.local", re.ASCII)
_LINE = re.compile(r"[a-z]=[\x20-\x7e]*")
_MEDIA = re.compile(r"m=([a-z]+) \d{1,5} ([A-Z/]+) ([\x21-\x7e]+(?: [\x21-\x7e]+)*)")
_PROFILES = {
    "audio": "UDP/TLS/RTP/SAVPF",
    "video": "UDP/TLS/RTP/SAVPF",
    "application": "UDP/DTLS/SCTP",
}
_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_CODECS = {"audio": ("opus/48000/2",), "video": ("vp8/90000",)}
"""Both are mandatory for WebRTC endpoints (RFC 7874, RFC 7742), so no other is needed."""
_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")
"""RFC 8839, 5.4."""
_FINGERPRINT = re.compile(r"sha-256 ((?:[0-9A-F]{2}:){31}[0-9A-F]{2})", re.IGNORECASE)
_MID = re.compile(r"[\w{}.~-]{1,64}", re.ASCII)
_EXTENSION = re.compile(
    r"(\d{1,5})(?:/(?:sendrecv|sendonly|recvonly|inactive))? ([\x21-\x7e]{1,200})"
)
_ONE_BYTE_IDS = range(1, 15)
"""Header extensions above need the two-byte form (RFC 8285, 4.3), which we do not send."""
_FORBIDDEN_TYPES = range(64, 96)
"""Payload types that look like RTCP where both share a port (RFC 5761, 4)."""


@dataclass(frozen=True, slots=True)
class CheckedDescription:
    """A description that passed the checks."""

    sdp: str
    """Written anew, for aiortc."""
    kinds: frozenset[Kind]
    has_data: bool
    candidate_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Section:
    """One ``m=`` line and the attributes below it, names before values."""

    kind: str
    formats: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


@dataclass(frozen=True, slots=True)
class _Transport:
    """What one path for everything needs; all sections share it (RFC 9143)."""

    ufrag: str
    password: str
    fingerprint: str
    setup: str
    candidates: tuple[str, ...]
    complete: bool

    def lines(self) -> list[str]:
        lines = [f"a=candidate:{candidate}" for candidate in self.candidates]
        lines += ["a=end-of-candidates"] * self.complete
        lines += [
            f"a=ice-ufrag:{self.ufrag}",
            f"a=ice-pwd:{self.password}",
            f"a=fingerprint:sha-256 {self.fingerprint}",
            f"a=setup:{self.setup}",
        ]
        return lines


def check_description(sdp: str, *, answer: bool = False) -> CheckedDescription:
    """Reads a peer's offer or answer. Raises `BadDescription` for anything unusual.

    Candidates, codecs and header extensions that we cannot use are left out; so is every attribute
    that nothing here needs.
    """
    session, sections = _sections(sdp)
    transport = _transport(session, sections, answer=answer)
    mids = [_mid(section) for section in sections]
    if len(set(mids)) != len(mids):
        raise BadDescription("The peer gives two kinds of media the same name.")
    _check_bundle(session, mids)
    lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", f"a=group:BUNDLE {' '.join(mids)}"]
    for section, mid in zip(sections, mids, strict=True):
        lines += _data(section) if section.kind == "application" else _media(section)
        lines += ["c=IN IP4 0.0.0.0", f"a=mid:{mid}", *transport.lines()]
    return CheckedDescription(
        sdp="\r\n".join(lines) + "\r\n",
        kinds=frozenset(Kind(s.kind) for s in sections if s.kind != "application"),
        has_data=any(s.kind == "application" for s in sections),
        candidate_types=tuple(sorted({c.split()[7] for c in transport.candidates})),
    )


# ── reading ──────────────────────────────────────────────────────────────────────────────────────
def _sections(sdp: str) -> tuple[_Section, list[_Section]]:
    """What stands before the first ``m=`` line, and the sections."""
    if len(sdp) > MAX_SDP_CHARS:
        raise BadDescription(
            f"The peer's media description has {len(sdp)} characters; {MAX_SDP_CHARS} are allowed."
        )
    lines = [line.rstrip("\r") for line in sdp.split("\n") if line.strip()]
    if len(lines) > MAX_LINES or not lines or lines[0] != "v=0":
        raise BadDescription("The peer's media description is not SDP. It may use another version.")
    if any(len(line) > MAX_LINE_CHARS or not _LINE.fullmatch(line) for line in lines):
        raise BadDescription("The peer's media description contains a line that is not SDP.")
    candidates = sum(line.startswith("a=candidate:") for line in lines)
    if candidates > MAX_CANDIDATES * MAX_SECTIONS:
        raise BadDescription(
            f"The peer lists {candidates} addresses; {MAX_CANDIDATES} a section are allowed."
        )
    found: list[tuple[str, tuple[str, ...], list[tuple[str, str]]]] = [("", (), [])]
    for line in lines:
        if line.startswith("m="):
            found.append((*_media_line(line), []))
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            found[-1][2].append((name, value))
    session, *sections = (_Section(kind, types, tuple(values)) for kind, types, values in found)
    kinds = [section.kind for section in sections]
    if not 1 <= len(kinds) <= MAX_SECTIONS or len(set(kinds)) != len(kinds):
        raise BadDescription(
            f"The peer describes {len(kinds)} media; sound, picture and data are fine, each once."
        )
    return session, sections


def _media_line(line: str) -> tuple[str, tuple[str, ...]]:
    match = _MEDIA.fullmatch(line)
    if match is None or match[1] not in _PROFILES:
        raise BadDescription("The peer describes a kind of media that is unknown here.")
    if match[2] != _PROFILES[match[1]]:
        raise BadDescription("The peer would send media in a way that is unknown here.")
    return match[1], tuple(match[3].split(" "))


def _one(values: Sequence[str], pattern: re.Pattern[str], what: str) -> str:
    """The first value, checked; everything shares one path, so the first section's counts."""
    if not values:
        raise BadDescription(f"The peer's media description lacks {what}.")
    if not pattern.fullmatch(values[0]):
        raise BadDescription(f"The {what} in the peer's media description is malformed.")
    return values[0]


def _transport(session: _Section, sections: Sequence[_Section], *, answer: bool) -> _Transport:
    tagged = sections[0]

    def values(name: str) -> list[str]:
        return tagged.all(name) or session.all(name)

    everything = [session, *sections]
    hashes = [value for part in everything for value in part.all("fingerprint")]
    matches = [_FINGERPRINT.fullmatch(v) for v in hashes if v.lower().startswith("sha-256")]
    certificates = {match[1].upper() if match else "" for match in matches}
    if len(certificates) != 1 or "" in certificates:
        raise BadDescription(
            "The peer's media description must name one certificate, by a sha-256 fingerprint."
        )
    setups = {value for part in everything for value in part.all("setup")}
    allowed = {"active", "passive"} if answer else {"active", "passive", "actpass"}
    if len(setups) != 1 or not setups <= allowed:
        raise BadDescription("The peer does not say how its media is to be secured (DTLS setup).")
    raw = next((c for section in sections if (c := section.all("candidate"))), [])
    if len(raw) > MAX_CANDIDATES:
        raise BadDescription(f"The peer lists {len(raw)} addresses; {MAX_CANDIDATES} are allowed.")
    usable = [text for value in raw if (text := _usable(f"candidate:{value}")) is not None]
    return _Transport(
        ufrag=_one(values("ice-ufrag"), _UFRAG, "ice-ufrag"),
        password=_one(values("ice-pwd"), _PASSWORD, "ice-pwd"),
        fingerprint=certificates.pop(),
        setup=setups.pop(),
        candidates=tuple(dict.fromkeys(usable)),
        complete=any(part.all("end-of-candidates") for part in everything),
    )


def _mid(section: _Section) -> str:
    return _one(section.all("mid"), _MID, "mid")


def _check_bundle(session: _Section, mids: list[str]) -> None:
    """All media of a call share one path; a peer that would open several is none of ours."""
    groups = [value.split() for value in session.all("group") if value.startswith("BUNDLE")]
    if len(mids) > 1 and (len(groups) != 1 or sorted(groups[0][1:]) != sorted(mids)):
        raise BadDescription("The peer does not send all of its media over one path (BUNDLE).")


def _number(text: str, most: int) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text) and int(text) <= most else None


# ── writing ──────────────────────────────────────────────────────────────────────────────────────
def _media(section: _Section) -> list[str]:
    """Sound or picture, as far as we can use it."""
    types = [_number(text, 127) for text in section.formats]
    if None in types or len(types) > MAX_FORMATS or len(set(types)) != len(types):
        raise BadDescription("The payload types in the peer's media description are malformed.")
    if section.attributes.count(("rtcp-mux", "")) < 1:
        raise BadDescription("The peer's media description lacks rtcp-mux.")
    directions = [name for name, value in section.attributes if name in _DIRECTIONS and not value]
    if len(directions) > 1:
        raise BadDescription("The peer's media description names several directions.")
    codecs = _codecs(section, [t for t in types if t is not None and t not in _FORBIDDEN_TYPES])
    return [
        f"m={section.kind} 9 {_PROFILES[section.kind]} {' '.join(codecs)}",
        f"a={directions[0] if directions else 'sendrecv'}",
        "a=rtcp-mux",
        *(line for lines in codecs.values() for line in lines),
        *_extensions(section),
        *_ssrcs(section),
    ]


def _codecs(section: _Section, types: Sequence[int]) -> dict[str, list[str]]:
    """By payload type: the lines about the codecs that both ends know."""
    maps = dict(value.split(" ", 1) for value in section.all("rtpmap") if " " in value)
    formats = dict(value.split(" ", 1) for value in section.all("fmtp") if " " in value)
    if len(maps) != len(section.all("rtpmap")) or len(formats) != len(section.all("fmtp")):
        raise BadDescription("The peer describes a payload type twice.")
    wanted, found = _CODECS[section.kind], dict[str, list[str]]()
    for name in wanted:
        for number in map(str, types):
            if maps.get(number, "").lower() == name:
                found[number] = [f"a=rtpmap:{number} {maps[number]}", *_feedback(section, number)]
                break
    if not found:
        raise BadDescription(
            f"The peer offers no {section.kind} that this program can play. Its program may be too "
            "old or too new."
        )
    for number in map(str, types):
        apt = re.fullmatch(r"apt=(\d{1,3})", formats.get(number, ""))
        if maps.get(number, "").lower() == "rtx/90000" and apt and apt[1] in found:
            found[number] = [f"a=rtpmap:{number} rtx/90000", f"a=fmtp:{number} apt={apt[1]}"]
            break
    return found


def _feedback(section: _Section, number: str) -> list[str]:
    lines = []
    for value in section.all("rtcp-fb"):
        match = re.fullmatch(r"(\d{1,3}|\*) ([a-z-]{1,16}(?: [a-z-]{1,16})?)", value)
        if match and match[1] in {number, "*"}:
            lines.append(f"a=rtcp-fb:{number} {match[2]}")
    return list(dict.fromkeys(lines))


def _extensions(section: _Section) -> list[str]:
    values = section.all("extmap")
    found: dict[int, str] = {}
    for value in values[: MAX_EXTENSIONS + 1]:
        match = _EXTENSION.fullmatch(value)
        number = int(match[1]) if match else -1
        if match is None or number in found or len(values) > MAX_EXTENSIONS:
            raise BadDescription("The header extensions in the peer's description are malformed.")
        if number in _ONE_BYTE_IDS and match[2] not in found.values():
            found[number] = match[2]
    return [f"a=extmap:{number} {uri}" for number, uri in found.items()]


def _ssrcs(section: _Section) -> list[str]:
    sources = list(dict.fromkeys(value.split(" ", 1)[0] for value in section.all("ssrc")))
    if len(sources) > MAX_SSRCS or any(_number(text, 0xFFFF_FFFF) is None for text in sources):
        raise BadDescription("The sources in the peer's media description are malformed.")
    return [f"a=ssrc:{int(source)} cname:-" for source in sources]


def _data(section: _Section) -> list[str]:
    if section.formats != ("webrtc-datachannel",):
        raise BadDescription("The peer's data channels are of a kind that is unknown here.")
    ports, sizes = section.all("sctp-port"), section.all("max-message-size")
    port = _number(ports[0], 65_535) if ports else DEFAULT_SCTP_PORT
    size = _number(sizes[0], 0xFFFF_FFFF) if sizes else DEFAULT_MESSAGE_BYTES
    if not port or size is None:
        raise BadDescription("The data channels in the peer's description are malformed.")
    return [
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        f"a=sctp-port:{port}",
        f"a=max-message-size:{min(size or MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES)}",
    ]


# ── candidates ───────────────────────────────────────────────────────────────────────────────────
def _usable(text: str) -> str | None:
    """A candidate that we can send to, without prefix and extensions; None for others."""
    match = CANDIDATE.fullmatch(text)
    if match is None or match["transport"].lower() != "udp" or match["component"] != "1":
        return None
    if not 1 <= int(match["port"]) <= 65_535 or int(match["priority"]) > 0xFFFF_FFFF:
        return None
    if match["type"] == "prflx" or not _is_host(match["host"]):
        return None
    return (
        f"{match['foundation']} 1 udp {match['priority']} {match['host']} {match['port']} "
        f"typ {match['type']}"
    )


def _is_host(text: str) -> bool:
    """An address of one machine, or a name of the local network (mDNS)."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return _MDNS.fullmatch(text) is not None
    return not (address.is_multicast or address.is_unspecified)


def check_candidates(candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """Takes trickled candidates (RFC 8838): those we can use, without the ``candidate:`` prefix.

    Raises `BadDescription` if there are too many.
    """
    if len(candidates) > MAX_TRICKLED:
        raise BadDescription(
            f"The peer lists {len(candidates)} addresses; {MAX_TRICKLED} are allowed."
        )
    return tuple(
        text for candidate in candidates if (text := _usable(candidate.candidate)) is not None
    )


# ── ours ─────────────────────────────────────────────────────────────────────────────────────────
def keep_relay_candidates(sdp: str) -> str:
    """Our own description without any address but those of TURN servers.

    The agent gathers no others in relay-only mode; this is the second lock on the same door.
    """
    kept: list[str] = []
    for line in sdp.splitlines():
        if line.startswith("a=candidate:") and " typ relay" not in line:
            continue
        if line.startswith("a=rtcp:"):
            kept.append("a=rtcp:9 IN IP4 0.0.0.0")
        elif line.startswith("c="):
            kept.append("c=IN IP4 0.0.0.0")
        elif line.startswith("m="):
            kind, _, rest = line.split(" ", 2)
            kept.append(f"{kind} 9 {rest}")
        else:
            kept.append(re.sub(r" raddr \S+ rport \d+", " raddr 0.0.0.0 rport 9", line))
    return "\r\n".join(kept) + "\r\n"


def candidate_types(sdp: str) -> tuple[str, ...]:
    """The types of the candidates in a description, each once."""
    lines = [line for line in sdp.splitlines() if line.startswith("a=candidate:")]
    found = (re.search(r" typ (\w+)", line) for line in lines)
    return tuple(sorted({match[1] for match in found if match}))
