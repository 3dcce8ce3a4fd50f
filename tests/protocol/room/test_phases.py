"""The picture of the phases in PROTOCOL.md is the table's. `world.py` holds every step to it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from onmeet_node.protocol.room.phases import CHANGES, HEARD, STARTS, Phase, diagram, may_become
from onmeet_node.protocol.wire.room import RoomMessage

PROTOCOL = Path(__file__).parents[3] / "docs" / "PROTOCOL.md"


def test_the_diagram_in_the_protocol_is_drawn_from_the_table() -> None:
    text = PROTOCOL.read_text(encoding="utf-8")
    drawn = re.findall(r"<!-- room-phases:begin -->\n(.*?)\n<!-- room-phases:end -->", text, re.S)
    assert drawn == [f"```mermaid\n{diagram()}\n```"], (
        "put into PROTOCOL.md, between the markers: onmeet_node.protocol.room.phases.diagram()"
    )


def test_every_phase_can_be_reached_and_left_for_the_end() -> None:
    reached = set(STARTS.values())
    for _ in Phase:
        reached |= {to for phase in reached for found in CHANGES[phase].values() for to in found}
    assert reached == set(Phase)
    assert all(may_become(phase, Phase.OVER) for phase in Phase)
    assert not any(may_become(Phase.OVER, phase) for phase in set(Phase) - {Phase.OVER})


def test_where_a_message_counts_is_said_of_every_message_that_the_machine_hears() -> None:
    for_others = {"RoomInvite", "AskRoom", "NoRoom", "Acquaint", "Pipe", "Lent"}
    unsaid = set(get_args(RoomMessage)) - HEARD.keys()
    assert {cls.__name__ for cls in unsaid} <= for_others
