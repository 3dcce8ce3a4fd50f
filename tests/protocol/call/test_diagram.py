"""The picture of the states in PROTOCOL.md is the table's, and its table of ends the tests'."""

from __future__ import annotations

import re
from pathlib import Path

from onmeet_node.protocol.call.effects import State
from onmeet_node.protocol.call.table import STARTS, TRANSITIONS, diagram
from tests.protocol.call.agreement import ends_table

PROTOCOL = Path(__file__).parents[3] / "docs" / "PROTOCOL.md"


def test_the_diagram_in_the_protocol_is_drawn_from_the_table() -> None:
    text = PROTOCOL.read_text(encoding="utf-8")
    drawn = re.findall(r"<!-- call-states:begin -->\n(.*?)\n<!-- call-states:end -->", text, re.S)
    assert drawn == [f"```mermaid\n{diagram()}\n```"], (
        "put into PROTOCOL.md, between the markers: onmeet_node.protocol.call.table.diagram()"
    )


def test_every_state_can_be_reached_and_left_for_the_end() -> None:
    reached = set(STARTS.values())
    for _ in State:
        reached |= {target for state in reached for target in TRANSITIONS[state].values()}
    assert reached == set(State)
    for state in set(State) - {State.ENDED}:
        assert State.ENDED in TRANSITIONS[state].values()


def test_the_table_of_ends_in_the_protocol_is_the_one_that_is_checked() -> None:
    text = PROTOCOL.read_text(encoding="utf-8")
    written = re.findall(r"<!-- call-ends:begin -->\n(.*?)\n<!-- call-ends:end -->", text, re.S)
    assert written == [ends_table()], (
        "put into PROTOCOL.md, between the markers: tests.protocol.call.agreement.ends_table()"
    )
