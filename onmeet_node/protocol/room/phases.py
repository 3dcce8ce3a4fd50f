"""The one table of where we stand in a room, and the picture drawn from it for PROTOCOL.md."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire import room as w


class Phase(enum.StrEnum):
    """Where we stand."""

    AT_DOOR = "at-door"
    """We knocked, and no roster has us in it yet."""
    MEMBER = "member"
    """We go by the roster of a host who is there."""
    HOST_LOST = "host-lost"
    """We go by the roster of a host whom we do not reach, or who goes by another."""
    HOST = "host"
    """We keep the roster."""
    OVER = "over"


class PhaseChange(enum.StrEnum):
    """Why one stands elsewhere than before."""

    MADE = "we made the room"
    KNOCKED = "we knock"
    LET_IN = "a roster of that host has us in it"
    TURNED_AWAY = "Deny, or nobody answered"
    HOST_GONE = "the last channel with the host is lost, or it goes by another"
    HOST_BACK = "a channel with the host is open, or it says that it is host"
    NAMED = "the host names us"
    CLAIMED = "we are the first who is there"
    FOLLOWED = "a roster of another host counts"
    YIELDED = "a roster of another host outranks ours"
    ENDED = "the roster says so: ended, or we were sent out"
    LEFT = "we leave"
    ALONE = "nobody is there who could carry on (guests)"


STARTS: Mapping[PhaseChange, Phase] = {
    PhaseChange.MADE: Phase.HOST,
    PhaseChange.KNOCKED: Phase.AT_DOOR,
}

CHANGES: Mapping[Phase, Mapping[PhaseChange, frozenset[Phase]]] = {
    Phase.AT_DOOR: {
        PhaseChange.LET_IN: frozenset({Phase.MEMBER}),
        PhaseChange.TURNED_AWAY: frozenset({Phase.OVER}),
        PhaseChange.ENDED: frozenset({Phase.OVER}),
        PhaseChange.LEFT: frozenset({Phase.OVER}),
    },
    Phase.MEMBER: {
        PhaseChange.HOST_GONE: frozenset({Phase.HOST_LOST}),
        # Another host whom we do not reach yet is a lost one, until we do.
        PhaseChange.FOLLOWED: frozenset({Phase.MEMBER, Phase.HOST_LOST}),
        PhaseChange.NAMED: frozenset({Phase.HOST}),
        PhaseChange.ENDED: frozenset({Phase.OVER}),
        PhaseChange.LEFT: frozenset({Phase.OVER}),
        PhaseChange.ALONE: frozenset({Phase.OVER}),
    },
    Phase.HOST_LOST: {
        PhaseChange.HOST_BACK: frozenset({Phase.MEMBER}),
        PhaseChange.FOLLOWED: frozenset({Phase.MEMBER, Phase.HOST_LOST}),
        PhaseChange.NAMED: frozenset({Phase.HOST}),
        PhaseChange.CLAIMED: frozenset({Phase.HOST}),
        PhaseChange.ENDED: frozenset({Phase.OVER}),
        PhaseChange.LEFT: frozenset({Phase.OVER}),
        PhaseChange.ALONE: frozenset({Phase.OVER}),
    },
    Phase.HOST: {
        PhaseChange.YIELDED: frozenset({Phase.MEMBER, Phase.HOST_LOST}),
        PhaseChange.ENDED: frozenset({Phase.OVER}),
        PhaseChange.LEFT: frozenset({Phase.OVER}),
    },
    Phase.OVER: {},
}

INSIDE = frozenset({Phase.MEMBER, Phase.HOST_LOST, Phase.HOST})

HEARD: Mapping[type[object], frozenset[Phase]] = {
    w.Roster: INSIDE | {Phase.AT_DOOR},
    m.Deny: frozenset({Phase.AT_DOOR}),
    w.RoomKnock: frozenset({Phase.HOST}),
    # All others are of people who are in, about people who are in.
    w.Here: INSIDE,
    w.AtDoor: INSIDE - {Phase.HOST},
    w.RoomRequest: INSIDE,
    w.RoomSay: INSIDE,
    w.React: INSIDE,
    w.Look: INSIDE,
    w.RoomLeave: INSIDE,
}
"""Which messages count where; the rest has no meaning for the machine and does nothing."""


def may_become(before: Phase, after: Phase) -> bool:
    """Whether one step leads from here to there, or leaves all as it is."""
    return before is after or any(after in found for found in CHANGES[before].values())


def diagram() -> str:
    """The table as a Mermaid state diagram, one line for each pair of phases."""
    lines = ["stateDiagram-v2"]
    for change, phase in STARTS.items():
        lines.append(f"    [*] --> {_name(phase)}: {change.value}")
    for source, row in CHANGES.items():
        for target in Phase:
            whys = [change.value for change, found in row.items() if target in found]
            if whys:
                lines.append(f"    {_name(source)} --> {_name(target)}: {' / '.join(whys)}")
    lines.append(f"    {_name(Phase.OVER)} --> [*]")
    return "\n".join(lines)


def _name(phase: Phase) -> str:
    """Mermaid takes no hyphens in names."""
    return phase.value.replace("-", "_")
