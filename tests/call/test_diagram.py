"""The picture of the states in PROTOCOL.md is the table's."""

from __future__ import annotations

import re
from pathlib import Path

from onmeet_node.call.effects import State
from onmeet_node.call.table import STARTS, TRANSITIONS, diagram

PROTOCOL = Path(__file__).parents[2] / "docs" / "PROTOCOL.md"


def test_the_diagram_in_the_protocol_is_drawn_from_the_table() -> None:
    text = PROTOCOL.read_text(encoding="utf-8")
    drawn = re.findall(r"<!-- call-states:begin -->\n(.*?)\n<!-- call-states:end -->", text, re.S)
    assert drawn == [f"```mermaid\n{diagram()}\n```"], (
        "put the output of onmeet_node.call.table.diagram() between the markers in PROTOCOL.md"
    )


def test_every_state_can_be_reached_and_left_for_the_end() -> None:
    reached = set(STARTS.values())
    for _ in State:
        reached |= {target for state in reached for target in TRANSITIONS[state].values()}
    assert reached == set(State)
    for state in set(State) - {State.ENDED}:
        assert State.ENDED in TRANSITIONS[state].values()
