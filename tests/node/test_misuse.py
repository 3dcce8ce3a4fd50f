"""What a program does wrong is told where it does it, in words that say what is right."""

from __future__ import annotations

import asyncio
import gc
import warnings
from pathlib import Path

import pytest
import trio

from onmeet_node import CallOptions, FrameTap, Kind, Node, RoomOptions, open_node
from onmeet_node.calls.call import Call
from onmeet_node.config import ConfigError, load_config, of_a_person
from onmeet_node.process.async_blocks import async_block
from onmeet_node.process.leaving import NotInTrio
from onmeet_node.protocol.call.effects import State
from tests.fakes.calls import Phones


@async_block
async def opened(number: int):
    """Doubles a number while the block runs."""
    await trio.lowlevel.checkpoint()
    yield number * 2


async def test_a_block_is_what_async_with_gives():
    async with opened(3) as number:
        assert number == 6
    assert opened.__doc__ == "Doubles a number while the block runs."


async def test_an_exception_passes_through_a_block():
    with pytest.raises(LookupError):
        async with opened(3):
            raise LookupError


def test_a_block_that_nobody_enters_is_told_at_its_line():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        opened(3)
        gc.collect()
    (warning,) = told
    assert warning.category is RuntimeWarning
    assert "async with opened(" in str(warning.message)
    assert warning.filename == __file__
    assert "opened(3)" in Path(__file__).read_text().splitlines()[warning.lineno - 1]


async def test_a_block_that_is_awaited_or_entered_plainly_says_what_is_right():
    with pytest.raises(TypeError, match=r"no coroutine: write “async with opened\("):
        await opened(3)
    with (
        pytest.raises(TypeError, match=r"no plain block: write “async with opened\("),
        opened(3),
    ):
        pass


def test_what_programs_enter_is_such_a_block():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for function, arguments in (
            (open_node, ["/nowhere"]),
            (Node.call, [None, "Bob"]),
            (Node.incoming, [None]),
        ):
            function(*arguments)
            gc.collect()
    assert [str(each.message).partition("(")[0] for each in told] == [
        "open_node",
        "call",
        "incoming",
    ]


WRONG_KINDS = [Kind.AUDIO, "audio", {"audio"}, frozenset({"audio", "video"}), ["audio"], None, 5]


@pytest.mark.parametrize("kinds", WRONG_KINDS)
def test_wrong_kinds_are_refused_where_they_are_given(kinds):
    with pytest.raises(TypeError, match=r"set of onmeet_node\.Kind"):
        FrameTap(kinds)
    with pytest.raises(TypeError, match=r"set of onmeet_node\.Kind"):
        RoomOptions("Ann", kinds, CallOptions())


async def test_wrong_kinds_leave_a_ringing_call_as_it_was(autojump_clock):
    async with trio.open_nursery() as nursery:
        phones = Phones(nursery)
        alice, bob = phones.add("alice"), phones.add("bob")
        with bob.runner.calls.ringer() as ringing:
            alice.dial(bob)
            call: Call = await ringing.receive()
            for kinds in WRONG_KINDS[:-2]:
                with pytest.raises(TypeError, match=r"set of onmeet_node\.Kind"):
                    call.accept(kinds)
            assert call.state is State.RINGING_IN
            call.accept({Kind.AUDIO})  # type: ignore[arg-type] # any set is one
            await call.connected()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("who", "kinds", "error", "says"),
    [
        (5, frozenset(Kind), TypeError, "not 5"),
        (b"short", frozenset(Kind), ValueError, "32 bytes, not 5"),
        ("Bob", frozenset(), ValueError, "kinds is empty"),
        ("Bob", "audio", TypeError, r"set of onmeet_node\.Kind"),
    ],
)
async def test_whom_and_what_to_call_are_looked_at_first(who, kinds, error, says):
    nobody = object.__new__(Node)  # nothing of it is asked
    with pytest.raises(error, match=says):
        async with nobody.call(who, kinds=kinds):
            pass


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"source": Path("x.wav")}, "source must be"),
        ({"record": "call.mp4"}, r'Path\("call.mp4"\)'),
        ({"tap": print}, "tap must be a FrameTap"),
    ],
)
def test_options_of_a_wrong_type_are_refused_where_they_are_made(options, says):
    with pytest.raises(TypeError, match=says):
        CallOptions(**options)


def test_asyncio_is_told_both_ways():
    async def opens() -> None:
        async with open_node("/nowhere"):
            pass

    async def reads() -> None:
        async for _ in FrameTap():
            pass

    for program in (opens, reads):
        with pytest.raises(NotInTrio, match=r"trio\.run\(main\)") as told:
            asyncio.run(program())
        assert "start_guest_run" in str(told.value)
        assert "onmeet up" in str(told.value)


@pytest.mark.parametrize("given", ["0", "1001", "many", "-1"])
def test_a_number_of_calls_that_cannot_be_is_refused(tmp_path, given):
    with pytest.raises(ConfigError, match="calls_at_once"):
        load_config(tmp_path, environment={"ONMEET_CALLS_AT_ONCE": given})


def test_a_person_has_one_call_at_a_time_unless_they_say_otherwise(tmp_path):
    assert of_a_person(load_config(tmp_path, environment={"X": ""})).calls_at_once == 1
    several = load_config(tmp_path, environment={"ONMEET_CALLS_AT_ONCE": "5"})
    assert of_a_person(several).calls_at_once == 5
