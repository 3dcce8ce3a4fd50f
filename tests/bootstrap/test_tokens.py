"""Tokens as a bootstrap takes them: once, for itself, in their week; and real coturn after that."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import attrs
import pytest
import trio
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st
from onmeet_bootstrap.accounts.issuer import Issuer
from onmeet_bootstrap.accounts.ledger import open_ledger
from onmeet_bootstrap.app import Bootstrap, open_bootstrap
from onmeet_bootstrap.config.model import TokensConfig
from onmeet_bootstrap.errors import Exhausted, SettingsError, TokenNotTaken
from onmeet_bootstrap.gateway.doors import DoorLimits, Doors
from onmeet_bootstrap.tokens.issuer_keys import LOOK_SECONDS, IssuerKeys
from onmeet_bootstrap.tokens.redeeming import Redeemer
from onmeet_bootstrap.tokens.spent import SpentList, mark_of
from onmeet_bootstrap.turn.lending import REPEAT_SECONDS
from onmeet_bootstrap.turn.sessions import CoturnSilent, Rations, TurnSession, sessions_in

from onmeet_node.net.bootstraps.doors import HostDoors
from onmeet_node.net.errors import TokenRefused
from onmeet_node.net.libp2p.open_host import Host, HostConfig, open_host
from onmeet_node.protocol.wire.bootstrap_api import (
    Describe,
    Description,
    LendTurn,
    Refused,
    SignedDescription,
    TurnCredentials,
    encode_request,
    sign_description,
)
from onmeet_node.protocol.wire.tokens import TokenKey
from onmeet_node.protocol.wire.weeks import (
    EARLY_SECONDS,
    EPOCH_SECONDS,
    GRACE_SECONDS,
    epoch_begins,
    epoch_of,
)
from tests.bootstrap.accounts.selling import (
    EPOCH,
    ISSUER,
    MONDAY,
    PEER,
    PEERS,
    SEAT,
    SEED,
    buy,
    config,
    issuer,
    keys_of,
)
from tests.bootstrap.asking import ask, description
from tests.bootstrap.setups import with_turn
from tests.bootstrap.test_turn import aio_allocate, allocate
from tests.requirements import needs_coturn

GIVEN = TurnCredentials(urls=("turn:192.0.2.1",), username="1:x", credential="y", ttl=3600)


@attrs.define
class World:
    """An issuer, and a redeemer of its tokens whose clock the test sets."""

    selling: Issuer
    now: float = MONDAY
    steady: float = 0.0

    def redeemer(self, **settings: object) -> Redeemer:
        options = {"most_spent": 1000, "free_per_network": 2, **settings}
        peer = options.pop("peer", PEER)
        return Redeemer(
            ISSUER,
            peer,  # type: ignore[arg-type]
            lambda: self.selling._public,
            clock=lambda: self.now,
            steady=lambda: self.steady,
            **options,  # type: ignore[arg-type]
        )


@pytest.fixture
def world(tmp_path: Path):
    with issuer(tmp_path) as (selling, _):
        yield World(selling)


def spend(redeemer: Redeemer, token: bytes) -> None:
    redeemer.spend(redeemer.examine(token), GIVEN)


def refused(redeemer: Redeemer, token: bytes) -> str:
    with pytest.raises(TokenNotTaken) as caught:
        redeemer.examine(token)
    return caught.value.reason


# ── what is taken ────────────────────────────────────────────────────────────────────────────────
def test_a_token_is_good_once(world: World) -> None:
    redeemer = world.redeemer()
    first, second = buy(world.selling, 2)
    spend(redeemer, first)
    world.steady = REPEAT_SECONDS
    assert refused(redeemer, first) == "token-spent"
    spend(redeemer, second)
    assert len(redeemer.spent) == 2


def test_an_answer_that_was_lost_is_given_again_for_a_minute(world: World) -> None:
    redeemer = world.redeemer()
    (token,) = buy(world.selling, 1)
    spend(redeemer, token)
    world.steady = REPEAT_SECONDS - 1
    assert redeemer.examine(token).again == GIVEN
    forged = token[:-1] + bytes([token[-1] ^ 1])
    assert refused(redeemer, forged) == "token-spent"
    assert redeemer.recent == 1
    world.steady = REPEAT_SECONDS
    assert redeemer.recent == 0


def test_looking_at_a_token_spends_nothing(world: World) -> None:
    redeemer = world.redeemer()
    (token,) = buy(world.selling, 1)
    redeemer.examine(token)
    redeemer.examine(token)
    assert len(redeemer.spent) == 0


def test_a_token_of_one_bootstrap_is_worth_nothing_at_another(world: World) -> None:
    """So one that is spent at two at once is taken by the one that it was bought for alone."""
    (token,) = buy(world.selling, 1)
    here, there = world.redeemer(), world.redeemer(peer=PEERS[1])
    assert refused(there, token) == "token-invalid"
    spend(here, token)
    assert refused(there, token) == "token-invalid"


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-1],
        lambda token: token + b"x",
        lambda token: b"x",
        lambda token: b"\x00\x01" + token[2:],
        lambda token: token[:2] + os.urandom(32) + token[34:],
        lambda token: token[:-256] + os.urandom(256),
    ],
    ids=["short", "long", "a byte", "another type", "another nonce", "another signature"],
)
def test_a_forged_token_is_refused_and_marks_nothing(world: World, change) -> None:
    redeemer = world.redeemer()
    (token,) = buy(world.selling, 1)
    assert refused(redeemer, change(token)) == "token-invalid"
    assert len(redeemer.spent) == 0


def test_a_token_is_taken_from_just_before_its_week_until_a_day_after(world: World) -> None:
    redeemer = world.redeemer()
    (next_week,) = buy(world.selling, 1, epoch=EPOCH + 1)
    begins = epoch_begins(EPOCH + 1)
    for world.now, reason in (
        (begins - EARLY_SECONDS - 1, "token-invalid"),
        (begins + EPOCH_SECONDS + GRACE_SECONDS, "token-ended"),
    ):
        assert refused(redeemer, next_week) == reason
    for world.now in (begins - EARLY_SECONDS, begins + EPOCH_SECONDS + GRACE_SECONDS - 1):
        assert redeemer.examine(next_week).again is None


def test_a_token_whose_key_was_replaced_is_told_that_it_ended(world: World) -> None:
    """The operator lost the ledger in mid-week: what was bought before is worth nothing."""
    redeemer = world.redeemer()
    (token,) = buy(world.selling, 1)
    world.selling._public = {EPOCH: next(iter(reversed(world.selling._public.values())))}
    assert refused(redeemer, token) == "token-ended"


def test_networks_without_tokens_have_so_many_a_day(world: World) -> None:
    redeemer = world.redeemer()
    for _ in range(2):
        redeemer.take_free("198.51.100.7")
    with pytest.raises(TokenNotTaken) as caught:
        redeemer.take_free("198.51.100.7")
    assert caught.value.reason == "token-needed"
    redeemer.take_free("198.51.100.8")
    world.steady = 12 * 3600
    redeemer.take_free("198.51.100.7")
    with pytest.raises(TokenNotTaken):
        redeemer.take_free("198.51.100.7")
    world.steady = 60 * 3600
    redeemer.forget()
    assert redeemer.free_networks == 0
    with pytest.raises(TokenNotTaken):
        world.redeemer(free_per_network=0).take_free("198.51.100.9")


# ── the spent list ───────────────────────────────────────────────────────────────────────────────
def test_a_full_list_takes_no_more_and_forgets_nothing(world: World) -> None:
    redeemer = world.redeemer(most_spent=2)
    first, second, third = buy(world.selling, 3)
    spend(redeemer, first)
    spend(redeemer, second)
    with pytest.raises(Exhausted):
        redeemer.examine(third)
    world.steady = REPEAT_SECONDS
    assert refused(redeemer, first) == "token-spent"
    assert len(redeemer.spent) == 2


def test_weeks_that_are_over_are_forgotten(world: World) -> None:
    redeemer = world.redeemer()
    spend(redeemer, buy(world.selling, 1)[0])
    world.now = MONDAY + EPOCH_SECONDS + GRACE_SECONDS - 1
    redeemer.forget()
    assert len(redeemer.spent) == 1
    world.now += 1
    redeemer.forget()
    assert len(redeemer.spent) == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(min_size=16, max_size=16)), max_size=60))
def test_the_list_has_what_was_put_in_and_nothing_else(entries: list[tuple[int, bytes]]) -> None:
    """Marks of few buckets, whose bytes overlap in each other."""
    held = SpentList(1000)
    squeezed = [(epoch, bytes(2) + bytes(b & 1 for b in mark[2:])) for epoch, mark in entries]
    for entry in squeezed[::2]:
        if entry not in held:
            held.add(*entry)
    assert len(held) == len(set(squeezed[::2]))
    for entry in squeezed:
        assert (entry in held) == (entry in set(squeezed[::2]))


def test_a_hundred_thousand_take_far_less_memory_than_a_set() -> None:
    def memory_of(fill) -> int:
        tracemalloc.start()
        kept = fill()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        del kept
        return size

    marks = [mark_of(number.to_bytes(4, "big")) for number in range(200_000)]

    def fill_list() -> SpentList:
        held = SpentList(len(marks))
        for mark in marks:
            held.add(EPOCH, mark)
        return held

    as_set = memory_of(lambda: {bytes(bytearray(mark)) for mark in marks})
    assert memory_of(fill_list) < 0.7 * as_set


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────
def test_the_description_has_this_weeks_key_and_the_next_alone(world: World) -> None:
    redeemer = world.redeemer()
    terms = redeemer.terms()
    assert [key.epoch for key in terms.keys] == [EPOCH, EPOCH + 1]
    assert {key.id for key in terms.keys} == {key.id for key in keys_of(world.selling).values()}
    world.now = MONDAY + EPOCH_SECONDS
    world.selling.turn_over(world.now)
    assert len(world.selling._public) == 3
    assert [key.epoch for key in redeemer.terms().keys] == [EPOCH + 1, EPOCH + 2]


def test_a_replaced_file_of_keys_is_read_and_a_damaged_one_is_not(tmp_path: Path) -> None:
    now = [0.0]
    path = tmp_path / "token-keys.json"
    with issuer(tmp_path) as (selling, _):
        keys = IssuerKeys(path, steady=lambda: now[0])
        assert set(keys.current()) == {EPOCH, EPOCH + 1}
        selling.turn_over(MONDAY + EPOCH_SECONDS)
        assert set(keys.current()) == {EPOCH, EPOCH + 1}
        now[0] += LOOK_SECONDS
        assert set(keys.current()) == {EPOCH, EPOCH + 1, EPOCH + 2}
        for damage in ("{}", "", "\xff" * 20, None):
            path.unlink(missing_ok=True)
            if damage is not None:
                path.write_text(damage)
            now[0] += LOOK_SECONDS
            assert set(keys.current()) == {EPOCH, EPOCH + 1, EPOCH + 2}
        with pytest.raises(SettingsError, match="accounts run"):
            IssuerKeys(path)


# ── as before, where it is not switched on ───────────────────────────────────────────────────────
PLAIN_DESCRIPTION = "83a174ab6465736372697074696f6ea669737375656401a96e6f745f616674657202"
"""As it was encoded before there were tokens."""


def test_without_tokens_not_a_byte_is_other_than_before() -> None:
    assert encode_request(LendTurn()) == b"\x81\xa1t\xa9lend-turn"
    plain = Description(issued=1, not_after=2)
    signed = sign_description(plain, lambda _: bytes(64))
    assert b"tokens" not in signed.body
    assert signed.body.hex() == PLAIN_DESCRIPTION


# ── sessions ─────────────────────────────────────────────────────────────────────────────────────
LISTING = b"""
    1) id=001000000000000003, user <1795991910:abcDEF_->:
      realm: onmeet
      usage: rp=7, rb=776, sp=6, sb=532
       rate: r=0, s=0, total=0 (bytes per sec)
      peers:
          127.0.0.1:41039

    2) id=001000000000000001, user <1795995000:other>:
      realm: onmeet
      usage: rp=3, rb=292, sp=2, sb=212

  Total sessions: 2

> """


def test_a_listing_of_coturn_is_read_and_one_that_is_cut_off_is_not() -> None:
    first, second = sessions_in(LISTING)
    assert (first.id, first.expiry, first.bytes_passed) == ("001000000000000003", 1795991910, 1308)
    assert second.username == "1795995000:other"
    assert sessions_in(b"\r\n  Total sessions: 0\r\n\r\n> ") == []
    for cut in (LISTING[:200], LISTING.replace(b"sessions: 2", b"sessions: 3"), b""):
        with pytest.raises(CoturnSilent):
            sessions_in(cut)


@given(st.binary(max_size=300))
def test_any_listing_is_read_or_the_one_error(listing: bytes) -> None:
    with suppress(CoturnSilent):
        sessions_in(listing + b"Total sessions: 1")


def test_a_session_ends_by_its_time_or_its_bytes_also_those_of_others_before_it() -> None:
    rations = Rations(1000)

    def over(now: float, *sessions: tuple[str, str, int]) -> list[str]:
        return list(rations.overdue([TurnSession(*each) for each in sessions], now))

    assert over(50, ("a", "100:x", 600), ("b", "100:y", 0)) == []
    assert over(60, ("c", "100:x", 300)) == []
    assert over(60, ("c", "100:x", 500)) == ["c"]
    assert over(99, ("b", "100:y", 900), ("n", "nobody", 10**9)) == []
    assert over(100, ("b", "100:y", 900)) == ["b"]
    assert over(101) == []
    assert len(rations) == 0


# ── the real thing ───────────────────────────────────────────────────────────────────────────────
real = [pytest.mark.real, needs_coturn]


@asynccontextmanager
async def selling_now(home: Path) -> AsyncIterator[Issuer]:
    """An issuer in this very week."""
    home.mkdir(exist_ok=True)
    with open_ledger(home) as ledger:
        ledger.add_group("tests", 40, 10**6, [SEAT])
        made = Issuer(ledger, config(), home)
        made.turn_over(trio_now())
        yield made


def trio_now() -> float:
    import time

    return time.time()


def this_week(selling: Issuer, count: int) -> list[bytes]:
    return buy(selling, count, epoch=epoch_of(trio_now()), now=trio_now())


@asynccontextmanager
async def rationed(home: Path, **turn: object) -> AsyncIterator[tuple[Bootstrap, Host, Issuer]]:
    tokens = {"free_per_network": 0, **{k: turn.pop(k) for k in list(turn) if k in TOKENS}}
    async with selling_now(home) as selling:
        ours = TokensConfig(serve=True, issuer=ISSUER, keys=str(home / "token-keys.json"), **tokens)
        settings = attrs.evolve(with_turn(**turn), seed=SEED, tokens=ours)
        async with open_bootstrap(settings) as bootstrap, open_host(HostConfig(())) as node:
            await node.connect(bootstrap.addresses)
            yield bootstrap, node, selling


TOKENS = {"free_per_network", "bytes_per_token", "max_spent"}


@pytest.mark.real
async def test_a_door_costs_a_token_a_day_where_the_operator_says_so(tmp_path: Path) -> None:
    with trio.fail_after(60):
        async with selling_now(tmp_path / "a") as selling:
            redeemer = Redeemer(
                ISSUER,
                PEER,
                lambda: selling._public,
                most_spent=10,
                free_per_network=0,
                doors=True,
            )
            first, second, third = this_week(selling, 3)
            assert redeemer.terms().doors
            with pytest.raises(TokenNotTaken, match="opens doors for tokens"):
                redeemer.pay_door(None)
            redeemer.pay_door(first)
            redeemer.pay_door(first)  # the answer was lost
            assert redeemer.examine(first).door
            spend(redeemer, second)
            with pytest.raises(TokenNotTaken, match="for TURN"):
                redeemer.pay_door(second)
            free = Redeemer(
                ISSUER, PEER, lambda: selling._public, most_spent=10, free_per_network=0
            )
            free.pay_door(None)
            free.pay_door(third)
            assert len(free.spent) == 0
            async with open_host(HostConfig(("/ip4/127.0.0.1/tcp/0",))) as gateway:
                doors = Doors(
                    gateway,
                    lambda: "https://meet.example.org",
                    DoorLimits(),
                    address_of=lambda _: None,
                    guests_per_door=1,
                    redeemer=redeemer,
                    paid_seconds=0.5,
                )
                tokens = [third]
                async with open_host(HostConfig(())) as node:
                    await node.connect(gateway.addresses)
                    opens = HostDoors(node, token_for=lambda _: tokens.pop() if tokens else None)
                    async with opens.open(gateway.peer_id, b"s" * 16) as door:
                        assert len(doors) == 1
                        await door.gone.wait()  # its day is over
                    with pytest.raises(TokenRefused, match="token needed"):
                        async with opens.open(gateway.peer_id, b"s" * 16):
                            pass
            assert len(redeemer.spent) == 3


class TestBootstrap:
    pytestmark = real

    async def test_a_token_buys_credentials_that_work_once(self, tmp_path: Path) -> None:
        with trio.fail_after(90):
            async with rationed(tmp_path / "a") as (bootstrap, node, selling):
                keys: dict[int, TokenKey] = keys_of(selling)
                terms = (await description(node, bootstrap)).tokens
                assert terms is not None
                assert {key.id for key in terms.keys} == {key.id for key in keys.values()}
                assert terms.issuer == ISSUER
                needed = await ask(node, bootstrap.peer_id, LendTurn())
                assert isinstance(needed, Refused)
                assert needed.reason == "token-needed"
                (token,) = this_week(selling, 1)
                lent = await ask(node, bootstrap.peer_id, LendTurn(token=token))
                assert isinstance(lent, TurnCredentials)
                assert await allocate(bootstrap, lent)
                again = await ask(node, bootstrap.peer_id, LendTurn(token=token))
                assert again == lent
                assert bootstrap.held()["spent tokens"] == 1
                assert token.hex() not in repr(LendTurn(token=token))
                bad = await ask(node, bootstrap.peer_id, LendTurn(token=b"x" * 354))
                assert isinstance(bad, Refused)
                assert bad.reason == "token-invalid"

    async def test_a_token_is_kept_while_there_is_no_turn_for_it(self, tmp_path: Path) -> None:
        with trio.fail_after(90):
            async with rationed(tmp_path / "a") as (bootstrap, node, selling):
                (token,) = this_week(selling, 1)
                coturn = bootstrap._turn.coturn
                assert coturn is not None
                coturn.up = False
                refused = await ask(node, bootstrap.peer_id, LendTurn(token=token))
                assert isinstance(refused, Refused)
                assert refused.reason == "exhausted"
                coturn.up = True
                lent = await ask(node, bootstrap.peer_id, LendTurn(token=token))
                assert isinstance(lent, TurnCredentials)

    async def test_an_allocation_past_its_time_is_ended_and_one_within_it_is_not(
        self, tmp_path: Path
    ) -> None:
        with trio.fail_after(90):
            async with rationed(tmp_path / "a") as (bootstrap, node, selling):
                first, second = this_week(selling, 2)
                lent = await ask(node, bootstrap.peer_id, LendTurn(token=first))
                kept = await ask(node, bootstrap.peer_id, LendTurn(token=second))
                assert isinstance(lent, TurnCredentials)
                assert isinstance(kept, TurnCredentials)
                warden = bootstrap._turn.warden
                assert warden is not None
                expiry = int(lent.username.partition(":")[0])
                assert int(kept.username.partition(":")[0]) > expiry
                port = int(lent.urls[0].split("?")[0].rpartition(":")[2])
                warden._clock = lambda: expiry

                async def look() -> None:
                    await warden.look()

                def alive() -> list[int]:
                    return asyncio.run(
                        aio_after(("127.0.0.1", port), lent, kept, trio.from_thread.run, look)
                    )

                assert await trio.to_thread.run_sync(alive) == [437, 0]
                assert warden.cancelled == 1

    async def test_an_allocation_that_passed_more_than_its_token_bought_is_ended(
        self, tmp_path: Path
    ) -> None:
        most = 1_000_000
        with trio.fail_after(90):
            async with rationed(tmp_path / "a", bytes_per_token=most, bytes_per_second=1 << 30) as (
                bootstrap,
                node,
                selling,
            ):
                first, second = this_week(selling, 2)
                lent = await ask(node, bootstrap.peer_id, LendTurn(token=first))
                kept = await ask(node, bootstrap.peer_id, LendTurn(token=second))
                assert isinstance(lent, TurnCredentials)
                assert isinstance(kept, TurnCredentials)
                warden = bootstrap._turn.warden
                assert warden is not None
                port = int(lent.urls[0].split("?")[0].rpartition(":")[2])

                async def look() -> None:
                    while not warden.cancelled:
                        await warden.look()
                        await trio.sleep(0.2)  # coturn tells nobody that it has counted

                def alive() -> list[int]:
                    return asyncio.run(
                        aio_after(
                            ("127.0.0.1", port), lent, kept, trio.from_thread.run, look, 6 * most
                        )
                    )

                assert await trio.to_thread.run_sync(alive) == [437, 0]
                assert warden.cancelled == 1

    async def test_coturns_command_line_is_shut_to_whoever_has_no_password(
        self, tmp_path: Path
    ) -> None:
        with trio.fail_after(90):
            async with rationed(tmp_path / "a") as (bootstrap, _, _):
                assert bootstrap._turn.coturn is not None
                cli = bootstrap._turn.coturn.cli
                assert cli is not None
                assert cli.password not in repr(cli)
                warden = bootstrap._turn.warden
                assert warden is not None
                await warden.look()
                warden._cli = lambda: attrs.evolve(cli, password="guessed")
                with pytest.raises(CoturnSilent):
                    await warden.look()

    async def test_without_tokens_coturn_has_no_command_line(self) -> None:
        with trio.fail_after(60):
            async with open_bootstrap(with_turn()) as bootstrap, open_host(HostConfig(())) as node:
                assert bootstrap._turn.coturn is not None
                assert bootstrap._turn.coturn.cli is None
                await node.connect(bootstrap.addresses)
                signed = await ask(node, bootstrap.peer_id, Describe())
                assert isinstance(signed, SignedDescription)
                assert b"tokens" not in signed.body
                lent = await ask(node, bootstrap.peer_id, LendTurn(token=b"x"))
                assert isinstance(lent, TurnCredentials)


async def aio_after(server, ending, kept, run_in_trio, look, count: int = 0) -> list[int]:
    """What both allocations answer a Refresh after `look`: 0, or an error's number.

    Before that so many bytes go out through the first, to where nobody listens.
    """
    made = [await aio_allocate(server, given) for given in (ending, kept)]
    assert [code for _, code in made] == [0, 0]
    for sent in range(0, count, 1_000):
        await made[0][0].send_data(bytes(1_000), ("127.0.0.1", 9))
        if not sent % 20_000:
            await asyncio.sleep(0.01)  # a socket's buffer, not the relay, would lose it
    run_in_trio(look)  # this thread is one of trio's; nothing else waits for it
    answers = []
    for protocol, _ in made:
        request = stun.Message(stun.Method.REFRESH, stun.Class.REQUEST)
        request.attributes["LIFETIME"] = 600
        try:
            await protocol.request_with_retry(request)
            answers.append(0)
        except stun.TransactionFailed as error:
            answers.append(error.response.attributes["ERROR-CODE"][0])
    for protocol, _ in made:
        protocol.transport.close()
    return answers
