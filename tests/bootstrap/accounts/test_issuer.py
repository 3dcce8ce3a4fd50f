"""What an issuer sells, to whom, and what it keeps of it."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from onmeet_bootstrap.accounts.errors import (
    AllowanceUsed,
    BadPurchase,
    LedgerUnavailable,
    NoSeat,
    OtherKey,
)
from onmeet_bootstrap.accounts.issuer import DAY, Issuer
from onmeet_bootstrap.accounts.ledger import KEPT_DAYS, open_ledger, upgrade
from onmeet_bootstrap.accounts.schema import metadata

from onmeet_node.protocol.wire.seat import BadSeat, SeatLink, decode_code, encode_code
from onmeet_node.protocol.wire.token_directory import IssuerDirectory
from onmeet_node.protocol.wire.tokens import REQUEST_BYTES, BadToken, Token
from onmeet_node.protocol.wire.weeks import EPOCH_SECONDS, GRACE_SECONDS
from tests.bootstrap.accounts.selling import (
    CODE,
    EPOCH,
    MONDAY,
    PEERS,
    SEAT,
    blinded,
    body_of,
    buy,
    config,
    issuer,
    keys_of,
)


# ── the allowance ────────────────────────────────────────────────────────────────────────────────
def test_a_seat_buys_its_weeks_allowance_and_no_more(tmp_path: Path) -> None:
    with issuer(tmp_path) as (selling, _):
        key = keys_of(selling)[EPOCH]
        tokens = buy(selling, 30)
        assert all(Token.decode(token).verifies(key) for token in tokens)
        assert selling.state_of(SEAT, MONDAY).left == {EPOCH: 10, EPOCH + 1: 40}
        with pytest.raises(AllowanceUsed):
            buy(selling, 11)
        assert selling.state_of(SEAT, MONDAY).left[EPOCH] == 10
        buy(selling, 10)
        buy(selling, 40, epoch=EPOCH + 1)
        assert selling.state_of(SEAT, MONDAY).left == {EPOCH: 0, EPOCH + 1: 0}


def test_a_batch_whose_answer_was_lost_is_signed_again_and_counted_once(tmp_path: Path) -> None:
    with issuer(tmp_path) as (selling, _):
        made = blinded(keys_of(selling)[EPOCH], 40)
        orders = [selling.order(SEAT, body_of(made), MONDAY) for _ in range(3)]
        answers = {tuple(map(order.signer.sign, order.blinded)) for order in orders}
        assert len(answers) == 1
        assert selling.state_of(SEAT, MONDAY).left[EPOCH] == 0
        with pytest.raises(AllowanceUsed):
            selling.order(SEAT, body_of(list(reversed(made))), MONDAY)


def test_forty_that_buy_at_once_get_together_what_is_allowed(tmp_path: Path) -> None:
    with issuer(tmp_path) as (selling, _):
        key = keys_of(selling)[EPOCH]
        bodies = [body_of(blinded(key, 3)) for _ in range(20)]
        had: list[int] = []

        def ask(mine: list[bytes]) -> None:
            for body in mine:
                try:
                    had.append(len(selling.order(SEAT, body, MONDAY).blinded))
                except AllowanceUsed:
                    had.append(0)

        threads = [threading.Thread(target=ask, args=(bodies[n::4],)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(had) == 20
        assert sum(had) == 39


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        bytes(REQUEST_BYTES - 1),
        b"\x00\x02" * (513 * REQUEST_BYTES // 2),
    ],
    ids=["none", "one byte", "cut off", "too many"],
)
def test_what_is_no_batch_is_refused_and_costs_nothing(tmp_path: Path, body: bytes) -> None:
    with issuer(tmp_path) as (selling, _):
        with pytest.raises(BadPurchase):
            selling.order(SEAT, body, MONDAY)
        assert selling.state_of(SEAT, MONDAY).left[EPOCH] == 40


def test_one_bad_request_of_many_costs_nothing(tmp_path: Path) -> None:
    with issuer(tmp_path) as (selling, _):
        key = keys_of(selling)[EPOCH]
        good = body_of(blinded(key, 3))
        for bad in (
            good[:3] + bytes(256),  # z = 0
            good[:3] + bytes(255) + b"\x01",
            good[:3] + (key.rsa.n - 1).to_bytes(256, "big"),
            good[:3] + b"\xff" * 256,
            b"\x00\x01" + good[2:REQUEST_BYTES],
            good[:REQUEST_BYTES],  # twice the same
        ):
            with pytest.raises(BadPurchase):
                selling.order(SEAT, good + bad, MONDAY)
        other = body_of(blinded(keys_of(selling)[EPOCH + 1], 1))
        with pytest.raises(BadPurchase, match="another key"):
            selling.order(SEAT, good + other, MONDAY)
        assert selling.state_of(SEAT, MONDAY).left == {EPOCH: 40, EPOCH + 1: 40}


# ── weeks ────────────────────────────────────────────────────────────────────────────────────────
def test_a_batch_that_a_new_week_overtook_is_refused_by_name(tmp_path: Path) -> None:
    with issuer(tmp_path) as (selling, _):
        made = blinded(keys_of(selling)[EPOCH], 3)
        later = MONDAY + EPOCH_SECONDS
        selling.turn_over(later)
        with pytest.raises(OtherKey, match="Fetch the directory again"):
            selling.order(SEAT, body_of(made), later)
        assert set(keys_of(selling)) == {EPOCH + 1, EPOCH + 2}


def test_the_keys_of_neighbouring_weeks_are_told_apart_by_their_last_byte(tmp_path: Path) -> None:
    with issuer(tmp_path) as (selling, _):
        assert len({key.id[-1] for key in keys_of(selling).values()}) == 2


def test_the_public_keys_are_kept_for_bootstraps_until_no_token_of_theirs_is_taken(
    tmp_path: Path,
) -> None:
    def public() -> set[int]:
        return set(IssuerDirectory.decode((tmp_path / "token-keys.json").read_bytes()).keys)

    with issuer(tmp_path) as (selling, ledger):
        assert public() == {EPOCH, EPOCH + 1}
        first = keys_of(selling)[EPOCH]
        selling.turn_over(MONDAY + EPOCH_SECONDS + 60)
        assert public() == {EPOCH, EPOCH + 1, EPOCH + 2}
        assert [key.epoch for key in ledger.stored_keys() if key.private is None] == [EPOCH]
        assert first not in keys_of(selling).values()
        selling.turn_over(MONDAY + EPOCH_SECONDS + GRACE_SECONDS)
        assert public() == {EPOCH + 1, EPOCH + 2}


def test_another_user_may_read_the_public_keys_and_nothing_else(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with issuer(tmp_path):
            pass
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes.pop("token-keys.json") == 0o644
    assert set(modes.values()) == {0o600}


def test_a_restart_keeps_the_keys(tmp_path: Path) -> None:
    with issuer(tmp_path) as (selling, _):
        before = selling.directory()
    with open_ledger(tmp_path) as ledger:
        again = Issuer(ledger, config(), tmp_path)
        again.turn_over(MONDAY + 100)
        assert again.directory() == before


# ── seats ────────────────────────────────────────────────────────────────────────────────────────
def test_seats_end_by_their_day_by_the_operator_and_are_then_forgotten(tmp_path: Path) -> None:
    with issuer(tmp_path) as (selling, ledger):
        last = MONDAY // DAY + 400
        assert selling.state_of(SEAT, last * DAY).last_day == last
        with pytest.raises(NoSeat, match="has ended"):
            selling.state_of(SEAT, (last + 1) * DAY)
        with pytest.raises(NoSeat):
            selling.state_of(bytes(32), MONDAY)
        ledger.forget(epoch=EPOCH, grace_epoch=EPOCH, day=last + KEPT_DAYS)
        assert len(ledger.groups(EPOCH)) == 1
        ledger.forget(epoch=EPOCH, grace_epoch=EPOCH, day=last + KEPT_DAYS + 1)
        assert ledger.groups(EPOCH) == []
        group = ledger.add_group("x", 1, last, [SEAT, bytes(32)])
        ledger.end_seat(bytes(32))
        assert ledger.end_group(group) == 1
        with pytest.raises(NoSeat):
            ledger.end_group(group)


def test_no_code_and_no_private_key_of_a_past_week_is_in_the_files(tmp_path: Path) -> None:
    with issuer(tmp_path) as (selling, ledger):
        buy(selling, 3)
        private = ledger.stored_keys()[0].private
        assert private is not None

        def written() -> bytes:
            return b"".join(path.read_bytes() for path in tmp_path.glob("ledger.db*"))

        assert private[200:260] in written()
        selling.turn_over(MONDAY + EPOCH_SECONDS + GRACE_SECONDS)
        assert private[200:260] not in written()
        assert CODE not in written()
    assert (tmp_path / "ledger.db").stat().st_mode & 0o077 == 0


@given(st.binary(min_size=16, max_size=16), st.integers(0, 40), st.sampled_from("0a7z"))
def test_a_code_is_read_as_it_was_and_a_typing_error_is_noticed(
    code: bytes, place: int, typed: str
) -> None:
    text = encode_code(code)
    assert decode_code(text.upper().replace("-", " ")) == code
    place = 5 + place % (len(text) - 5)
    if text[place] not in {typed, "-"}:
        with pytest.raises(BadSeat):
            decode_code(text[:place] + typed + text[place + 1 :])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "seat-00000",
        "http://accounts.example.org/seat#" + encode_code(CODE),
        "https://accounts.example.org/seat#" + encode_code(CODE)[:-1],
        "https://accounts.example.org/j#" + encode_code(CODE),
        "https://user@accounts.example.org/seat#" + encode_code(CODE),
        "https://accounts.example.org/seat#" + "x" * 1000,
    ],
)
def test_what_is_no_seat_link_is_refused(text: str) -> None:
    with pytest.raises(BadSeat):
        SeatLink.parse(text)


# ── the directory ────────────────────────────────────────────────────────────────────────────────
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["token-keys", "token-type", "token-key", "not-before", "x"])
                | st.just("onmeet-bootstraps"),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_a_directory_or_the_one_error(found: object) -> None:
    with contextlib.suppress(BadToken):
        IssuerDirectory.decode(json.dumps(found).encode())


def test_a_directory_with_two_keys_for_a_week_or_of_another_time_is_refused(
    tmp_path: Path,
) -> None:
    with issuer(tmp_path) as (selling, _):
        good = json.loads(selling.directory())
    assert IssuerDirectory.decode(json.dumps(good).encode()).bootstraps == PEERS
    twice = json.loads(json.dumps(good))
    twice["token-keys"][1]["not-before"] = twice["token-keys"][0]["not-before"]
    with pytest.raises(BadToken, match="two keys for one week"):
        IssuerDirectory.decode(json.dumps(twice).encode())
    late = json.loads(json.dumps(good))
    late["token-keys"][0]["not-before"] += 1
    with pytest.raises(BadToken, match="another time"):
        IssuerDirectory.decode(json.dumps(late).encode())


# ── the file ─────────────────────────────────────────────────────────────────────────────────────
def test_the_migrations_make_the_tables_that_the_code_uses() -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        upgrade(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_ledger_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(os.urandom(8192))
    with pytest.raises(LedgerUnavailable, match="cannot be used"), open_ledger(tmp_path):
        pass


def test_a_writer_that_holds_the_ledger_for_long_is_told_and_nothing_is_counted(
    tmp_path: Path,
) -> None:
    with issuer(tmp_path, busy_milliseconds=20) as (selling, _):
        body = body_of(blinded(keys_of(selling)[EPOCH], 3))
        other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailable, match="locked"):
            selling.order(SEAT, body, MONDAY)
        other.execute("ROLLBACK")
        other.close()
        assert len(selling.order(SEAT, body, MONDAY).blinded) == 3
