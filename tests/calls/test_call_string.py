"""What may be said of a call's authentication string: only of one that the person was shown."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from onmeet_node.calls.call_string import CallString
from onmeet_node.calls.errors import StringNotComparable
from onmeet_node.protocol.call.authentication import StringDoubt
from onmeet_node.protocol.wire.messages import CallId


class Said:
    def __init__(self) -> None:
        self.link: Any = None
        self.fed: list[Any] = []
        self.string = CallString(
            CallId(b"c" * 16),
            in_use=lambda: self.link,
            can=lambda: True,
            asks=lambda: True,
            publish=lambda _event: None,
            feed=self.fed.append,
        )

    def uses(self, sas: str | None, doubt: StringDoubt | None) -> None:
        self.link = SimpleNamespace(sas=sas, doubt=doubt)
        self.string.changed()


@pytest.mark.parametrize("doubt", [*StringDoubt, None])
def test_nobody_agrees_to_a_string_that_there_is_not(doubt: StringDoubt | None) -> None:
    said = Said()
    said.uses(None, doubt)
    said.string.compared(None, True)  # the other side, whatever it saw
    with pytest.raises(StringNotComparable):
        said.string.compare(same=True)
    assert not said.fed


def test_after_another_session_without_one_the_string_of_before_is_not_agreed_to() -> None:
    said = Said()
    said.uses("123456", None)
    said.string.compare(same=True)
    assert len(said.fed) == 1
    said.uses(None, StringDoubt.WRONG)
    with pytest.raises(StringNotComparable):
        said.string.compare(same=True)
