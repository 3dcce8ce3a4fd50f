"""One party's unexpected exception ends that party, and is told without a word of what it held."""

import logging

import pytest
import trio
import trio.testing

from onmeet_node.process import faults


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


async def test_what_everybody_needs_begins_again_after_a_pause(autojump_clock, caplog):
    began = []

    async def service(name):
        began.append(trio.current_time())
        if len(began) < 4:
            raise OSError(name)

    before = faults.counts().get("records", 0)
    first = trio.current_time()
    await faults.kept("records", service, "alice@example.org")
    assert [round(at - first) for at in began] == [0, 1, 3, 7]
    assert faults.counts()["records"] == before + 3
    assert "alice" not in caplog.text


async def test_a_service_that_ran_for_long_begins_again_as_if_it_had_never_stopped(autojump_clock):
    began = []

    async def service():
        began.append(trio.current_time())
        if len(began) == 6:
            return
        await trio.sleep(3_600)
        raise OSError

    first = trio.current_time()
    await faults.kept("records", service)
    assert [round(at - first) for at in began] == [3_601 * n for n in range(6)]


async def test_a_service_ends_by_cancellation(autojump_clock):
    with trio.move_on_after(10) as scope:
        await faults.kept("records", trio.sleep_forever)
    assert scope.cancelled_caught


class Waiting:
    """People for some of whom something waits, and who are owed the new secret."""

    def __init__(self, *peers, owed=()):
        self._peers = peers
        self._owed = list(owed)
        self._news = trio.Event()

    def tidy(self):
        pass

    def waiting_for(self):
        return self._peers

    def owed(self):
        return tuple(self._owed)

    def block(self, *others):
        """From now on these are owed another secret."""
        self._owed = list(others)
        self._news.set()

    async def new_duty(self):
        await self._news.wait()
        self._news = trio.Event()


async def test_who_is_owed_the_new_secret_is_looked_for_soon_after_a_block(autojump_clock):
    from onmeet_node.contacts.delivery import OWED_SECONDS, run_delivery

    people, looks = Waiting(owed=[b"a", b"b"]), []

    async def find(peer):
        looks.append((peer, trio.current_time()))
        await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_delivery, people, find)
        await trio.sleep(300)
        assert [peer for peer, _ in looks] == [b"a", b"b"]
        assert looks[1][1] - looks[0][1] >= OWED_SECONDS / 2, "one after the other"
        people.block(b"c")
        await trio.sleep(5)
        assert looks[-1][0] == b"c"
        nursery.cancel_scope.cancel()


async def test_who_was_not_found_is_looked_for_again_soon_and_then_ever_less_often(autojump_clock):
    from onmeet_node.contacts.delivery import run_delivery

    looks = []

    async def find(peer):
        looks.append(trio.current_time())
        await trio.lowlevel.checkpoint()

    began = trio.current_time()
    with trio.move_on_after(86_400):
        await run_delivery(Waiting(b"a"), find)
    assert looks[1] - began < 3
    assert 48 <= len(looks) < 80  # half an hour in the end


async def test_one_duty_and_one_receipt_that_break_keep_no_others_waiting(autojump_clock):
    from onmeet_node.calls.receipts import ReceiptCollector
    from onmeet_node.contacts.delivery import run_delivery

    looked_for = []

    async def find(peer):
        looked_for.append(peer)
        if peer == b"a":
            raise OSError
        await trio.lowlevel.checkpoint()

    kept = []

    class History:
        def keep_receipts(self, call, receipts):
            kept.append(call)

    asked = []

    async def ask():
        await trio.lowlevel.checkpoint()
        asked.append(True)
        if len(asked) == 1:
            raise OSError
        return []

    settling = ReceiptCollector(History(), ask)
    for call in ("first", "second"):
        settling._over.send_nowait(call)
    with trio.move_on_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_delivery, Waiting(b"a", b"b"), find)
            nursery.start_soon(settling.run)
    assert looked_for[:2] == [b"a", b"b"]
    assert kept == ["second"]
