"""One party's unexpected exception ends that party, and is told without a word of what it held."""

import logging

import pytest
import trio
import trio.testing

from onmeet_node import faults


async def test_the_others_go_on_when_one_party_fails(caplog):
    heard = []

    async def bad():
        raise ValueError("alice@example.org said hello")

    async def good():
        for n in range(3):
            await trio.lowlevel.checkpoint()
            heard.append(n)

    before = faults.counts().get("guest", 0)
    with caplog.at_level(logging.ERROR):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(faults.alone, "guest", bad)
            nursery.start_soon(good)
    assert heard == [0, 1, 2]
    assert faults.counts()["guest"] == before + 1
    assert "ValueError" in caplog.text
    assert "alice" not in caplog.text


async def test_cancellation_passes_and_the_fault_beside_it_stays():
    ended = []

    async def fails_while_cleaning_up():
        try:
            await trio.sleep_forever()
        finally:
            raise KeyError("x")

    async def party():
        with faults.contained("call", then=lambda: ended.append(True)):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fails_while_cleaning_up)
                nursery.start_soon(trio.sleep_forever)

    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(party)
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
    assert scope.cancelled_caught
    assert ended == [True]


@pytest.mark.parametrize("leaves", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_passes(leaves):
    with pytest.raises(leaves), faults.contained("page"):
        raise leaves


def test_an_exit_beside_a_fault_passes_alone():
    with pytest.raises(BaseExceptionGroup) as caught, faults.contained("page"):
        raise BaseExceptionGroup("both", [SystemExit(3), ValueError("x")])
    assert [type(one) for one in caught.value.exceptions] == [SystemExit]
