"""The message tables in docs/PROTOCOL.md say what the code does.

`python tests/protocol/wire/test_reference.py` writes them anew.
"""

from pathlib import Path

import pytest

from onmeet_node.protocol.wire import reference
from onmeet_node.protocol.wire.fields import type_name
from onmeet_node.protocol.wire.messages import CardUpdate, Invite, MediaState

PROTOCOL_FILE = Path(__file__).parents[3] / "docs" / "PROTOCOL.md"


def test_the_tables_in_protocol_are_those_of_the_code():
    document = PROTOCOL_FILE.read_text()
    assert document == reference.update(document), f"run: python {Path(__file__).name}"


def test_types_are_named_in_lower_case_with_hyphens():
    names = [type_name(cls) for cls in (Invite, MediaState, CardUpdate)]
    assert names == ["invite", "media-state", "card-update"]


def test_a_table_says_type_range_and_what_absence_means():
    tables = reference.message_tables()
    assert "| | `call` | bin, 16 bytes | malformed |" in tables
    states = "`delivered` \\| `alerting` \\| `silenced`; another is read as `delivered`"
    assert f"| | `state` | str: {states} | delivered |" in tables
    assert "| | `caps` | array of 0…32, cut: str, 1…32 characters | [] |" in tables
    assert "| **`roster-body`** |" in tables
    assert "| | `seats` | array of 1…12: map: Seat | malformed |" in tables
    assert '| | `region` | str, 0…2 characters, `(ca\\|de)?` | "" |' in tables


def test_only_what_is_between_the_markers_is_replaced():
    updated = reference.update(f"before\n{reference.BEGIN}\nold\n{reference.END}\nafter\n")
    assert updated.startswith(f"before\n{reference.BEGIN}\n### Channel messages")
    assert updated.endswith(f"{reference.END}\nafter\n")
    assert reference.update(updated) == updated


@pytest.mark.parametrize("document", ["", reference.BEGIN, reference.END + reference.BEGIN])
def test_a_document_without_the_markers_is_left_alone(document):
    with pytest.raises(ValueError, match="needs the lines"):
        reference.update(document)


if __name__ == "__main__":
    PROTOCOL_FILE.write_text(reference.update(PROTOCOL_FILE.read_text()))
