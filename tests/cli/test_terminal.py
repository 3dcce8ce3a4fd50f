"""What happens is told where the node was started; a terminal that fails does not end the node."""

import io
import json
import sys
from types import SimpleNamespace

import pytest

from onmeet_node import faults
from onmeet_node.call.errors import UnknownCall
from onmeet_node.cli.up import _take_calls, _Terminal

NODE = SimpleNamespace(config=SimpleNamespace(home="home"))
REQUEST = {"event": "contact-request", "card_name": "李雷", "identity": "00" * 32}


def test_a_name_that_a_terminal_has_no_letters_for_is_shown_all_the_same(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "latin-1", write_through=True))
    _Terminal(NODE, as_json=False).tell(REQUEST)
    assert b"\\u674e\\u96f7 asks to be a contact" in written.getvalue()


class Gone(io.StringIO):
    """A pipe whose reader has gone."""

    tries = 0

    def write(self, text):
        self.tries += 1
        raise BrokenPipeError


def test_a_reader_who_has_gone_is_told_nothing_more(monkeypatch):
    gone = Gone()
    monkeypatch.setattr(sys, "stdout", gone)
    terminal = _Terminal(NODE, as_json=True)
    terminal.tell(REQUEST)
    tried = gone.tries
    assert tried
    terminal.tell(REQUEST)
    assert gone.tries == tried


def test_an_event_that_cannot_be_told_is_the_only_one(monkeypatch):
    said = io.StringIO()
    monkeypatch.setattr(sys, "stdout", said)
    before = faults.counts().get("terminal", 0)
    terminal = _Terminal(NODE, as_json=False)
    terminal.tell({"event": "incoming"})  # it lacks who calls
    terminal.tell({"event": "reachable"})
    assert said.getvalue() == "You can be called.\n"
    assert faults.counts()["terminal"] == before + 1
    _Terminal(NODE, as_json=True).tell({"event": "x"})
    assert json.loads(said.getvalue().splitlines()[-1]) == {"event": "x"}


@pytest.mark.parametrize("error", [UnknownCall("it is over"), ZeroDivisionError()])
async def test_answering_by_itself_goes_on_after_a_call_that_was_given_up(error):
    taken = []

    class Call:
        def __init__(self, error=None):
            self.error = error

        def accept(self):
            if self.error is not None:
                raise self.error
            taken.append(self)

    async def ringing():
        yield Call(error)
        yield Call()

    await _take_calls(ringing(), True)
    assert len(taken) == 1
