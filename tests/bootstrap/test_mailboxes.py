"""Mailboxes of spoken codes: two sides and no third, bounded, and gone with their streams."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from onmeet_bootstrap.app import open_bootstrap
from onmeet_bootstrap.config.model import ephemeral_config
from onmeet_bootstrap.errors import Exhausted
from onmeet_bootstrap.mailboxes import (
    MOST_PER_NODE,
    TRIES,
    Mailboxes,
    Nameplates,
    NameplateTaken,
    NoSuchMailbox,
)

from onmeet_node.net.libp2p.open_host import open_host
from onmeet_node.protocol.wire.bootstrap_api import Refused
from onmeet_node.protocol.wire.frames import FrameDecoder, encode_frame
from onmeet_node.protocol.wire.mailbox import (
    MAILBOX_PROTOCOL,
    MAX_FRAME_BYTES,
    MAX_LETTERS,
    MAX_NAMEPLATE,
    EnterMailbox,
    MailboxEnd,
    MailboxEnded,
    MailboxEntered,
    MailboxLetter,
    MailboxOpened,
    OpenMailbox,
    decode_answer,
    encode_request,
)
from tests.examples import examples
from tests.fakes.hosts import config, until


# ── numbers, pure ────────────────────────────────────────────────────────────────────────────────
class Numbers(RuleBasedStateMachine):
    """Any order of opening, entering, ending and closing: never a third side, never two alike."""

    def __init__(self):
        super().__init__()
        self.plates = Nameplates(lambda span: span[len(span) // 2])
        self.open = {}

    @rule(wanted=st.integers(0, 12))
    def opens(self, wanted):
        try:
            mailbox = self.plates.open(wanted)
        except NameplateTaken:
            assert wanted in self.open
            return
        assert mailbox.nameplate not in self.open
        assert not wanted or mailbox.nameplate == wanted
        self.open[mailbox.nameplate] = mailbox

    @rule(nameplate=st.integers(1, 12))
    def enters(self, nameplate):
        mine = self.open.get(nameplate)
        before = mine is None or mine.ended.is_set()
        try:
            entered = self.plates.enter(nameplate)
        except NoSuchMailbox:
            assert before
            return
        assert entered is mine
        assert not before
        assert entered.sides in {2, 3}
        assert entered.ended.is_set() == (entered.sides == 3)
        if entered.sides == 3:
            assert entered.reason is MailboxEnd.CROWDED

    @rule(nameplate=st.integers(1, 12), reason=st.sampled_from(MailboxEnd))
    def ends(self, nameplate, reason):
        if mine := self.open.get(nameplate):
            first = mine.reason if mine.ended.is_set() else reason
            mine.end(reason)
            assert mine.reason is first

    @rule(nameplate=st.integers(1, 12))
    def closes(self, nameplate):
        if mine := self.open.pop(nameplate, None):
            self.plates.close(mine)
            self.plates.close(mine)
            assert mine.ended.is_set()

    @invariant()
    def holds_what_is_open(self):
        assert len(self.plates) == len(self.open)


TestNumbers = Numbers.TestCase
TestNumbers.settings = settings(max_examples=examples(200), deadline=None)


def test_numbers_are_short_while_there_are_few_and_some_stay_free_to_draw_from():
    plates = Nameplates(lambda span: span[-1])
    drawn = [plates.open(0).nameplate for _ in range(60)]
    assert all(number < 10 for number in drawn[:4])
    assert all(10 <= number < 100 for number in drawn[5:49])
    assert drawn[-1] >= 100
    for number in range(1, MAX_NAMEPLATE + 1):
        with contextlib.suppress(NameplateTaken):
            plates.open(number)
    with pytest.raises(Exhausted):
        plates.open(0)


# ── streams, real ────────────────────────────────────────────────────────────────────────────────
class Side:
    """One side, as any program could be."""

    def __init__(self, stream):
        self.stream = stream
        self._decoder = FrameDecoder(MAX_FRAME_BYTES)
        self._frames = []

    async def say(self, request):
        await self.stream.send_all(encode_frame(encode_request(request)))

    async def hear(self):
        with trio.fail_after(10):
            while not self._frames:
                data = await self.stream.receive_some()
                if not data:
                    return None
                self._frames += self._decoder.feed(data)
        return decode_answer(self._frames.pop(0))


@asynccontextmanager
async def meeting(sides: int = 2) -> AsyncIterator:
    async with open_bootstrap(ephemeral_config()) as bootstrap:
        hosts = []

        async def node():
            return await stack.start(_host, bootstrap)

        async def _host(bootstrap, task_status):
            async with open_host(config()) as host:
                await host.connect(bootstrap.addresses)
                task_status.started(host)
                await trio.sleep_forever()

        async def ask(host, request):
            side = Side(await host.open_stream(bootstrap.peer_id, MAILBOX_PROTOCOL))
            await side.say(request)
            return side

        async with trio.open_nursery() as stack:
            for _ in range(sides):
                hosts.append(await node())
            yield bootstrap, hosts, ask
            stack.cancel_scope.cancel()


async def opened(ask, host):
    side = await ask(host, OpenMailbox())
    answer = await side.hear()
    assert isinstance(answer, MailboxOpened)
    return side, answer.nameplate


async def together(ask, hosts):
    one, number = await opened(ask, hosts[0])
    two = await ask(hosts[1], EnterMailbox(nameplate=number))
    assert await one.hear() == MailboxEntered()
    assert await two.hear() == MailboxEntered()
    return one, two, number


@pytest.mark.real
async def test_what_one_side_puts_in_the_other_is_given_and_nothing_is_left():
    async with meeting() as (bootstrap, hosts, ask):
        one, two, _ = await together(ask, hosts)
        assert bootstrap.counts().mailboxes == 1
        for sender, reader, said in ((one, two, b"a"), (two, one, b"b"), (one, two, b"c" * 1_536)):
            await sender.say(MailboxLetter(body=said))
            assert await reader.hear() == MailboxLetter(body=said)
        await two.say(MailboxLetter(body=b"last"))
        await two.stream.aclose()
        assert await one.hear() == MailboxLetter(body=b"last")
        assert await one.hear() == MailboxEnded(reason=MailboxEnd.LEFT)
        await until(lambda: bootstrap.held()["mailboxes"] == 0, 10)
        await until(lambda: bootstrap.held()["quotas"] == 0, 10)


@pytest.mark.real
async def test_a_third_is_refused_and_both_are_told():
    async with meeting(3) as (_, hosts, ask):
        one, two, number = await together(ask, hosts)
        three = await ask(hosts[2], EnterMailbox(nameplate=number))
        refused = await three.hear()
        assert isinstance(refused, Refused)
        assert refused.reason == "crowded"
        for side in (one, two):
            assert await side.hear() == MailboxEnded(reason=MailboxEnd.CROWDED)
        again = await ask(hosts[2], EnterMailbox(nameplate=number))
        refused = await again.hear()
        assert isinstance(refused, Refused)
        assert refused.reason == "unknown"


@pytest.mark.real
@pytest.mark.parametrize("first", [True, False])
async def test_when_either_connection_is_lost_the_other_side_is_told(first):
    async with meeting() as (bootstrap, hosts, ask):
        one, two, _ = await together(ask, hosts)
        await hosts[0 if first else 1].disconnect(bootstrap.peer_id)
        assert await (two if first else one).hear() == MailboxEnded(reason=MailboxEnd.LEFT)
        await until(lambda: bootstrap.held()["mailboxes"] == 0, 10)


@pytest.mark.real
async def test_too_many_letters_or_none_at_all_end_it():
    async with meeting() as (_, hosts, ask):
        one, two, _ = await together(ask, hosts)
        for _ in range(MAX_LETTERS + 1):
            await two.say(MailboxLetter(body=b"x"))
        for _ in range(MAX_LETTERS):
            assert await one.hear() == MailboxLetter(body=b"x")
        assert await one.hear() == MailboxEnded(reason=MailboxEnd.BROKEN)

        one, two, _ = await together(ask, hosts)
        await two.stream.send_all((70_000).to_bytes(4, "big"))
        assert await one.hear() == MailboxEnded(reason=MailboxEnd.BROKEN)


@pytest.mark.real
async def test_nobody_writes_into_a_mailbox_where_they_are_alone():
    async with meeting(1) as (_, hosts, ask):
        one, _ = await opened(ask, hosts[0])
        await one.say(MailboxLetter(body=b"x"))
        assert await one.hear() == MailboxEnded(reason=MailboxEnd.BROKEN)


@pytest.mark.real
async def test_a_flood_of_openings_and_tries_is_bounded_and_forgotten():
    async with meeting() as (bootstrap, hosts, ask):
        flooder, honest = hosts
        waiting = [await opened(ask, flooder) for _ in range(MOST_PER_NODE)]
        refused = await (await ask(flooder, OpenMailbox())).hear()
        assert isinstance(refused, Refused)
        assert refused.reason == "exhausted"
        reasons = []
        for number in range(1, TRIES.burst + 3):
            side = await ask(flooder, EnterMailbox(nameplate=9_000 + number))
            answer = await side.hear()
            assert isinstance(answer, Refused)
            reasons.append(answer.reason)
            await side.stream.aclose()
        assert reasons.count("unknown") == TRIES.burst - MOST_PER_NODE - 1
        assert reasons[-1] == "busy"
        assert bootstrap.counts().mailboxes == MOST_PER_NODE
        await opened(ask, honest)
        for side, _ in waiting:
            side.stream.abort()
        await until(lambda: bootstrap.counts().mailboxes == 1, 10)


@pytest.mark.real
async def test_a_number_that_is_wanted_is_given_once():
    async with meeting() as (_, hosts, ask):
        one = await ask(hosts[0], OpenMailbox(nameplate=77))
        assert await one.hear() == MailboxOpened(nameplate=77, seconds=600)
        answer = await (await ask(hosts[1], OpenMailbox(nameplate=77))).hear()
        assert isinstance(answer, Refused)
        assert answer.reason == "taken"


@pytest.mark.real
async def test_a_mailbox_lasts_so_long_and_both_are_told():
    async with open_host(config(server=True)) as server:
        boxes = Mailboxes(server, address_of=lambda _: "192.0.2.1", network_factor=20, seconds=0.5)
        async with open_host(config()) as one, open_host(config()) as two:
            for host in (one, two):
                await host.connect(server.addresses)
            first = Side(await one.open_stream(server.peer_id, MAILBOX_PROTOCOL))
            await first.say(OpenMailbox())
            answer = await first.hear()
            assert isinstance(answer, MailboxOpened)
            second = Side(await two.open_stream(server.peer_id, MAILBOX_PROTOCOL))
            await second.say(EnterMailbox(nameplate=answer.nameplate))
            for side in (first, second):
                assert await side.hear() == MailboxEntered()
            for side in (first, second):
                assert await side.hear() == MailboxEnded(reason=MailboxEnd.EXPIRED)
            await until(lambda: not boxes, 10)
