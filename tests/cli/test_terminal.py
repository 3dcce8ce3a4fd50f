"""What happens is told where the node was started; a terminal that fails does not end the node."""

import io
import logging
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from onmeet_node.cli.up import _take_calls, _Terminal
from onmeet_node.process import faults
from onmeet_node.process.outlet import Outlet, lines_missing, standard_outlets
from onmeet_node.protocol.call.errors import UnknownCall

SECONDS = 30.0
NODE = SimpleNamespace(config=SimpleNamespace(home="home"))
REQUEST = {"event": "contact-request", "card_name": "李雷", "identity": "00" * 32, "code": None}


def test_a_name_that_a_terminal_has_no_letters_for_is_shown_all_the_same(tmp_path):
    with (tmp_path / "terminal").open("w", encoding="latin-1") as stream:
        outlet = Outlet(stream, lines_missing)
        _Terminal(NODE, outlet, as_json=False).tell(REQUEST)
        outlet.close(SECONDS)
    assert b"\\u674e\\u96f7 asks to be a contact" in (tmp_path / "terminal").read_bytes()


class Gone(io.StringIO):
    """A pipe whose reader has gone."""

    tries = 0

    def write(self, text):
        self.tries += 1
        raise BrokenPipeError


def test_a_reader_who_has_gone_is_told_nothing_more():
    gone = Gone()
    outlet = Outlet(gone, lines_missing)
    terminal = _Terminal(NODE, outlet, as_json=True)
    terminal.tell(REQUEST)
    outlet.close(SECONDS)
    assert outlet.broken
    terminal.tell(REQUEST)
    assert gone.tries == 1


def test_a_program_without_any_output_runs_without():
    outlet = Outlet(None, lines_missing)
    outlet.tell("somebody calls")
    outlet.close(SECONDS)
    assert outlet.broken


def test_an_event_that_cannot_be_told_is_the_only_one():
    said = io.StringIO()
    outlet = Outlet(said, lines_missing)
    before = faults.counts().get("terminal", 0)
    terminal = _Terminal(NODE, outlet, as_json=False)
    terminal.tell({"event": "incoming"})  # it lacks who calls
    terminal.tell({"event": "reachable"})
    _Terminal(NODE, outlet, as_json=True).tell({"event": "x"})
    outlet.close(SECONDS)
    assert said.getvalue().splitlines() == ["You can be called.", '{"event": "x"}']
    assert faults.counts()["terminal"] == before + 1


class Paused(io.StringIO):
    """A terminal after Ctrl-S, until `go_on`."""

    def __init__(self):
        super().__init__()
        self.waiting, self.go_on = threading.Event(), threading.Event()

    def write(self, text):
        self.waiting.set()
        assert self.go_on.wait(SECONDS)
        return super().write(text)


def test_a_paused_terminal_keeps_nobody_and_says_afterwards_what_is_missing():
    paused = Paused()
    outlet = Outlet(paused, lines_missing, lines=3)
    outlet.tell("0")
    assert paused.waiting.wait(SECONDS)
    for number in range(1, 9):
        outlet.tell(str(number))  # returns, or this test hangs
    outlet.close(0.01)  # nor does the end of the program wait for it
    paused.go_on.set()

    paused = Paused()
    outlet = Outlet(paused, lines_missing, lines=3)
    outlet.tell("0")
    assert paused.waiting.wait(SECONDS)
    for number in range(1, 9):
        outlet.tell(str(number))
    paused.go_on.set()
    while "3" not in paused.getvalue():
        time.sleep(0.01)
    outlet.tell("9")
    outlet.close(SECONDS)
    assert paused.getvalue().splitlines() == ["0", "1", "2", "3", lines_missing(5), "9"]


def test_a_log_goes_to_a_paused_terminal_without_waiting(monkeypatch):
    paused = Paused()
    monkeypatch.setattr(sys, "stderr", paused)
    with standard_outlets(lines_missing):
        logging.getLogger("bootstrap").warning("coturn is started again")
        assert paused.waiting.wait(SECONDS)
        logging.getLogger("bootstrap").warning("and again")
        paused.go_on.set()
    assert paused.getvalue() == "coturn is started again\nand again\n"


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

    async def check(_call):
        pass

    async def ringing():
        yield Call(error)
        yield Call()

    await _take_calls(ringing(), True, check)
    assert len(taken) == 1
