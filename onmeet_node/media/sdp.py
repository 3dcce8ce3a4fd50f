"""What is checked and changed in SDP before aiortc sees it, and before the peer sees ours. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from onmeet_node.media.errors import BadDescription
from onmeet_node.wire.messages import MAX_CANDIDATES, MAX_SDP_CHARS, Candidate, Kind

MAX_LINES = 800
"""A Chromium offer with audio, video and data has about 190."""

MAX_SECTIONS = 8

CANDIDATE = re.compile(
    r"candidate:[\w+/-]{1,32} [12] (?i:udp|tcp) \d{1,10} [\w.:-]{1,253} \d{1,5} typ "
    r"(?P<type>host|srflx|prflx|relay)( [\x21-\x7e]+){0,20}",
    re.ASCII,
)
"""RFC 8839, 5.1."""


@dataclass(frozen=True, slots=True)
class Description:
    """A description that passed the checks."""

    sdp: str
    kinds: frozenset[Kind]
    has_data: bool
    candidate_types: tuple[str, ...]


def check_description(sdp: str) -> Description:
    """Takes a peer's offer or answer.

    Lines end in CRLF afterwards, whatever they ended in, and candidates that we cannot use (TCP,
    unknown forms) are left out. Raises `BadDescription` for anything else unusual.
    """
    if len(sdp) > MAX_SDP_CHARS:
        raise BadDescription(
            f"The peer's media description has {len(sdp)} characters; {MAX_SDP_CHARS} are allowed."
        )
    lines = [line.rstrip("\r") for line in sdp.split("\n") if line.strip()]
    if len(lines) > MAX_LINES or not lines or lines[0] != "v=0":
        raise BadDescription("The peer's media description is not SDP. It may use another version.")
    if any(not re.fullmatch(r"[a-z]=[^\x00-\x1f\x7f]*", line) for line in lines):
        raise BadDescription("The peer's media description contains a line that is not SDP.")
    candidates = [line for line in lines if line.startswith("a=candidate:")]
    if len(candidates) > MAX_CANDIDATES:
        raise BadDescription(
            f"The peer lists {len(candidates)} addresses; {MAX_CANDIDATES} are allowed."
        )
    sections = [line[2:].split(" ", 1)[0] for line in lines if line.startswith("m=")]
    if not 1 <= len(sections) <= MAX_SECTIONS:
        raise BadDescription(
            f"The peer describes {len(sections)} media; 1-{MAX_SECTIONS} are fine."
        )
    if not set(sections) <= {"audio", "video", "application"}:
        raise BadDescription("The peer describes a kind of media that is unknown here.")
    for needed in ("a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:sha-256 "):
        if not any(line.startswith(needed) for line in lines):
            raise BadDescription(f"The peer's media description lacks {needed[2:].strip(': ')}.")
    kept = [line for line in lines if not line.startswith("a=candidate:") or _is_usable(line[2:])]
    return Description(
        sdp=_share_candidates(kept),
        kinds=frozenset(Kind(s) for s in sections if s != "application"),
        has_data="application" in sections,
        candidate_types=_types(kept),
    )


def _is_usable(candidate: str) -> bool:
    return CANDIDATE.fullmatch(candidate) is not None and candidate.split()[2].lower() == "udp"


def _types(lines: Sequence[str]) -> tuple[str, ...]:
    found = (re.search(r" typ (\w+)", line) for line in lines if line.startswith("a=candidate:"))
    return tuple(sorted({match[1] for match in found if match}))


def _share_candidates(lines: Sequence[str]) -> str:
    """Repeats the first section's candidates in the sections that have none.

    Browsers list the candidates of a bundle in its first section alone (RFC 8843, 9.1), and aiortc
    1.16 with MAX_BUNDLE uses those of the last alone.
    """
    sections: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    shared = [s for s in sections[1] if s.startswith(("a=candidate:", "a=end-of-candidates"))]
    for section in sections[2:]:
        if not any(line.startswith("a=candidate:") for line in section):
            section += [line for line in shared if line not in section]
    return "\r\n".join(line for section in sections for line in section) + "\r\n"


def check_candidates(candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """Takes trickled candidates (RFC 8838): those we can use, without the ``candidate:`` prefix.

    Raises `BadDescription` if there are too many.
    """
    if len(candidates) > MAX_CANDIDATES:
        raise BadDescription(
            f"The peer lists {len(candidates)} addresses; {MAX_CANDIDATES} are allowed."
        )
    return tuple(
        candidate.candidate.removeprefix("candidate:")
        for candidate in candidates
        if _is_usable(candidate.candidate)
    )


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
    return _types(sdp.splitlines())
