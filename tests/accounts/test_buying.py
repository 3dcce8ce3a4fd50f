"""What a node buys, when, and what it does not believe: a real purse and issuer."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from onmeet_bootstrap.accounts.errors import PurchaseRefused
from onmeet_bootstrap.accounts.issuer import Issuer
from onmeet_bootstrap.accounts.signing import BlindSigner, new_private_key
from onmeet_bootstrap.tokens.redeeming import Redeemer

from onmeet_node.accounts.buying import Buyer
from onmeet_node.accounts.errors import (
    BadProxy,
    IssuerRefused,
    IssuerUnreachable,
    KeyNotShared,
)
from onmeet_node.accounts.issuer_client import SeatAllowance
from onmeet_node.accounts.planning import DAY, check_proxy, moment_for, split
from onmeet_node.protocol.wire.bootstrap_api import TokenTerms, WeekKey
from onmeet_node.protocol.wire.seat import SeatLink
from onmeet_node.protocol.wire.token_directory import IssuerDirectory
from onmeet_node.protocol.wire.weeks import EPOCH_SECONDS, GRACE_SECONDS, epoch_begins
from onmeet_node.store.keys import DatabaseKey
from onmeet_node.store.purse import PURSE_NAME, Purse, PurseSlot
from tests.bootstrap.accounts.selling import (
    CODE,
    EPOCH,
    ISSUER,
    MONDAY,
    PEER,
    PEERS,
    SEAT,
    issuer,
)

KEY = DatabaseKey(bytes(range(32)))


@attrs.define
class Till:
    """An issuer that is asked in this process, as `IssuerClient` asks by HTTPS."""

    selling: Issuer
    now: float = MONDAY
    lost: int = 0
    """Answers that get lost after the issuer signed."""
    wrong: bool = False
    """Whether it signs with a key of its own."""
    bodies: list[bytes] = attrs.Factory(list)

    async def directory(self) -> IssuerDirectory:
        await trio.lowlevel.checkpoint()
        return IssuerDirectory.decode(self.selling.directory())

    async def allowance(self) -> SeatAllowance:
        await trio.lowlevel.checkpoint()
        state = self.selling.state_of(SEAT, self.now)
        return SeatAllowance(state.tokens_per_week, state.last_day, state.left)

    async def sign(self, body: bytes) -> list[bytes]:
        await trio.lowlevel.checkpoint()
        self.bodies.append(body)
        try:
            order = self.selling.order(SEAT, body, self.now)
        except PurchaseRefused as error:
            raise IssuerRefused(ISSUER, error.reason) from error
        if self.lost:
            self.lost -= 1
            raise IssuerUnreachable(ISSUER, "lost")
        signer = BlindSigner(new_private_key()) if self.wrong else order.signer
        return [signer.sign(bytes(1) + each[1:]) if self.wrong else signer.sign(each)
                for each in order.blinded]  # fmt: skip

    def terms(self) -> dict[str, TokenTerms]:
        keys = tuple(
            WeekKey(epoch=epoch, id=key.id)
            for epoch, key in IssuerDirectory.decode(self.selling.directory()).keys.items()
        )
        return {peer: TokenTerms(issuer=ISSUER, keys=keys) for peer in PEERS}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Till]:
    with issuer(tmp_path) as (selling, _):
        yield Till(selling)


@pytest.fixture
def purse(tmp_path: Path) -> Iterator[Purse]:
    (tmp_path / "home").mkdir(mode=0o700)
    opened = Purse(tmp_path / "home", KEY)
    opened.set_seat(SeatLink(ISSUER, CODE), "")
    yield opened
    opened.close()


def buyer(purse: Purse, shop: Till, terms: object = None) -> Buyer:
    return Buyer(purse, ISSUER, shop, terms or shop.terms)  # type: ignore[arg-type]


# ── the plan ─────────────────────────────────────────────────────────────────────────────────────
@given(st.integers(0, 512), st.integers(0, 6))
def test_tokens_are_split_three_to_one(count: int, number: int) -> None:
    peers = [f"peer {n}" for n in range(number)]
    shares = split(count, peers)
    assert sum(shares.values()) == (count if peers else 0)
    assert list(shares) == peers
    if len(peers) > 1:
        assert abs(shares[peers[0]] - 0.75 * count) <= 0.5
        others = list(shares.values())[1:]
        assert max(others) - min(others) <= 1


@given(st.floats(0, 1, exclude_max=True))
def test_a_week_is_bought_for_on_the_day_before(chance: float) -> None:
    moment = moment_for(EPOCH, chance)
    assert epoch_begins(EPOCH) - DAY <= moment < epoch_begins(EPOCH)


@pytest.mark.parametrize(
    "via", ["http://127.0.0.1:1", "socks5://user@host:1", "socks5://host", "socks5://a b:1", "x"]
)
def test_what_is_no_proxy_is_refused(via: str) -> None:
    check_proxy("")
    check_proxy("socks5://127.0.0.1:9050")
    check_proxy("socks5h://[::1]:9050")
    with pytest.raises(BadProxy):
        check_proxy(via)


# ── purchases ────────────────────────────────────────────────────────────────────────────────────
async def test_a_week_is_bought_in_one_batch_and_each_token_is_good_where_it_is_meant_for(
    shop: Till, purse: Purse
) -> None:
    assert await buyer(purse, shop).buy(EPOCH + 1, at_need=False) == 40
    assert len(shop.bodies) == 1
    assert Counter({each.bootstrap: each.count for each in purse.counts()}) == {
        PEERS[0]: 30,
        PEERS[1]: 10,
    }
    bought = purse.week(EPOCH + 1)
    assert bought is not None
    assert (bought.bought, bought.at_need) == (40, False)
    for peer in PEERS:
        redeemer = Redeemer(
            ISSUER,
            peer,
            lambda: shop.selling._public,
            most_spent=10,
            free_per_network=0,
            clock=lambda: MONDAY + EPOCH_SECONDS,
        )
        token = purse.take(peer, EPOCH + 1)
        assert token is not None
        assert redeemer.examine(token).again is None
    assert await buyer(purse, shop).buy(EPOCH + 1, at_need=False) == 0


async def test_what_was_sent_is_kept_before_and_sent_again_as_it_was(
    shop: Till, purse: Purse, tmp_path: Path
) -> None:
    shop.lost = 2
    for _ in range(2):
        with pytest.raises(IssuerUnreachable):
            await buyer(purse, shop).buy(EPOCH, at_need=True)
    assert purse.pending(EPOCH) is not None
    assert purse.counts() == []
    purse.close()
    again = Purse(tmp_path / "home", KEY)
    assert await buyer(again, shop).buy(EPOCH, at_need=True) == 40
    assert len(set(shop.bodies)) == 1
    assert again.pending(EPOCH) is None
    assert shop.selling.state_of(SEAT, MONDAY).left[EPOCH] == 0
    again.close()


async def test_the_blinds_are_erased_when_the_tokens_are_there(
    shop: Till, purse: Purse, tmp_path: Path
) -> None:
    """Else whoever reads the home could tell, with the issuer, which purchase a token is of."""
    seen: list[bytes] = []

    def random(count: int) -> bytes:
        seen.append(os.urandom(count))
        return seen[-1]

    made = Buyer(purse, ISSUER, shop, shop.terms, random=random)  # type: ignore[arg-type]
    await made.buy(EPOCH, at_need=True)
    assert len(set(seen)) == 40
    database = purse._database
    assert database.execute("SELECT count(*) FROM pending") == [(0,)]
    assert database.execute("PRAGMA secure_delete") == [(1,)]
    assert (tmp_path / "home" / f"{PURSE_NAME}-wal").stat().st_size == 0


async def test_a_batch_that_a_new_week_overtook_is_dropped_and_made_anew(
    shop: Till, purse: Purse
) -> None:
    shop.lost = 1
    with pytest.raises(IssuerUnreachable):
        await buyer(purse, shop).buy(EPOCH, at_need=True)
    shop.now = MONDAY + EPOCH_SECONDS
    shop.selling.turn_over(shop.now)
    with pytest.raises(KeyNotShared, match="no key for that week"):
        await buyer(purse, shop).buy(EPOCH, at_need=True)
    assert purse.pending(EPOCH) is None
    assert await buyer(purse, shop).buy(EPOCH + 1, at_need=True) == 40


async def test_a_key_that_was_replaced_in_mid_week_is_not_bought_under(
    shop: Till, purse: Purse
) -> None:
    await buyer(purse, shop).buy(EPOCH, at_need=True)
    selling = shop.selling
    selling._signers = dict(selling._signers)
    selling._signers[EPOCH] = BlindSigner(new_private_key())
    selling._public = {epoch: signer.public for epoch, signer in selling._signers.items()}
    with pytest.raises(KeyNotShared, match="another key for that week than before"):
        await buyer(purse, shop).buy(EPOCH, at_need=True)


async def test_another_that_uses_the_seat_leaves_what_is_left(shop: Till, purse: Purse) -> None:
    shop.lost = 1
    with pytest.raises(IssuerUnreachable):
        await buyer(purse, shop).buy(EPOCH, at_need=True)
    purse.drop(EPOCH)  # a second node of the same seat: it has no blinds of the first one's
    assert await buyer(purse, shop).buy(EPOCH, at_need=True) == 0


async def test_wrong_signatures_are_not_kept_and_the_batch_is_not_sent_again(
    shop: Till, purse: Purse
) -> None:
    shop.wrong = True
    with pytest.raises(KeyNotShared, match="does not fit its key"):
        await buyer(purse, shop).buy(EPOCH, at_need=True)
    assert purse.pending(EPOCH) is None
    assert purse.counts() == []


# ── an operator who shows one person another key ─────────────────────────────────────────────────
async def test_nothing_is_bought_unless_all_that_is_signed_agrees(shop: Till, purse: Purse) -> None:
    good = shop.terms()
    one, two = PEERS
    spare = WeekKey(epoch=EPOCH, id=bytes(32))

    def keys(*changed: WeekKey) -> TokenTerms:
        return TokenTerms(issuer=ISSUER, keys=changed)

    for terms, says in (
        ({}, "no bootstrap of this issuer is connected"),
        ({"12D3other": good[one]}, "no bootstrap of this issuer is connected"),
        ({**good, two: keys(spare)}, "another key than the issuer's directory"),
        ({**good, two: keys()}, "another key than the issuer's directory"),
        ({**good, one: keys(*good[one].keys, spare)}, "more keys than"),
        ({**good, one: keys(good[one].keys[0], spare)}, "another key than"),
    ):
        with pytest.raises(KeyNotShared, match=says):
            await buyer(purse, shop, lambda terms=terms: terms).buy(EPOCH, at_need=True)
    assert shop.bodies == []
    assert purse.week(EPOCH) is None


async def test_no_token_goes_to_a_bootstrap_that_signs_another_key_or_another_issuer(
    shop: Till, purse: Purse, tmp_path: Path
) -> None:
    await buyer(purse, shop).buy(EPOCH, at_need=True)
    purse.close()
    now = [MONDAY]
    slot = PurseSlot(tmp_path / "home", KEY, now=lambda: now[0])
    terms = shop.terms()[PEER]
    assert slot.take("12D3nobody", terms) is None
    assert slot.take(PEER, attrs.evolve(terms, issuer="other.example")) is None
    other = tuple(attrs.evolve(key, id=bytes(32)) for key in terms.keys)
    assert slot.take(PEER, attrs.evolve(terms, keys=other)) is None
    assert "shown to you alone" in slot.trouble
    token = slot.take(PEER, terms)
    assert token is not None
    slot.give_back(PEER, token)
    assert sum(each.count for each in slot.require().counts()) == 40
    # A day after its week it is good no more.
    now[0] = MONDAY + EPOCH_SECONDS + GRACE_SECONDS - 1
    assert slot.take(PEER, attrs.evolve(terms, keys=())) is not None
    now[0] += 1
    assert slot.take(PEER, attrs.evolve(terms, keys=())) is None
    slot.close()


def test_a_seat_of_another_issuer_ends_what_was_bought(purse: Purse) -> None:
    purse.put_back(PEER, EPOCH, b"x" * 354)
    purse.set_seat(SeatLink(ISSUER, CODE), "socks5://127.0.0.1:1")
    assert len(purse.counts()) == 1
    purse.set_seat(SeatLink("other.example", CODE), "")
    assert purse.counts() == []
    purse.put_back(PEER, EPOCH, b"x" * 354)
    purse.forget_before(EPOCH + 1)
    assert purse.counts() == []
