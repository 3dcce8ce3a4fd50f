"""Audiences and settings: what a person decided, and what is made of bad values."""

from __future__ import annotations

import attrs
import pytest

from onmeet_node.protocol.identity.policy import ReachPolicy
from onmeet_node.store import AudienceKind, Setting
from onmeet_node.store.audiences import MAX_LIVE
from onmeet_node.store.errors import HomeDamaged, Rejected
from onmeet_node.store.settings import (
    BOOTSTRAPS,
    BUSY,
    DHT_PEERS,
    REACH,
    REGION,
    RELAY_ONLY,
    Busy,
)

SECRET = b"0123456789abcdef"


class TestAudiences:
    def test_a_code_is_live_until_it_expires_or_is_revoked(self, store):
        party = store.audiences.add(
            AudienceKind.CODE, secret=SECRET, label="party", now=10, expires=20
        )
        door = store.audiences.add(AudienceKind.CODE, secret=bytes(16), now=10, direct=False)
        assert store.audiences.live(now=19) == (party, door)
        assert store.audiences.live(now=20) == (door,)
        assert store.audiences.revoke(door.id)
        assert not store.audiences.revoke(door.id)
        assert store.audiences.live(now=19) == (party,)
        assert [row.revoked for row in store.audiences.list()] == [False, True]

    def test_the_pure_layers_get_the_same_audience(self, store):
        row = store.audiences.add(AudienceKind.CODE, secret=SECRET, label="x", now=1, expires=5)
        audience = row.as_audience()
        assert (audience.label, audience.secret, audience.expires) == ("x", SECRET, 5)
        assert audience.live(4)
        assert not audience.live(5)

    def test_there_is_one_contacts_secret_and_rotating_ends_the_old_one(self, store):
        assert store.audiences.contacts(now=1) is None
        first = store.audiences.rotate_contacts(SECRET, now=1)
        second = store.audiences.rotate_contacts(SECRET[::-1], now=2)
        assert store.audiences.contacts(now=3) == second
        assert store.audiences.live(now=3) == (second,)
        assert first.id != second.id
        assert store.audiences.get(first.id).secret == b""

    def test_ids_are_never_used_again(self, store):
        """A contact's `granted` names one: a later audience must not inherit it."""
        first = store.audiences.add(AudienceKind.CODE, secret=SECRET, now=1)
        assert store.audiences.remove(first.id)
        assert not store.audiences.remove(first.id)
        assert store.audiences.add(AudienceKind.CODE, secret=SECRET, now=1).id > first.id
        assert store.audiences.get(first.id) is None

    def test_too_many_codes_ask_for_one_to_be_revoked(self, store):
        rows = [
            store.audiences.add(AudienceKind.CODE, secret=SECRET, now=1, expires=9)
            for _ in range(MAX_LIVE)
        ]
        with pytest.raises(Rejected, match="code revoke"):
            store.audiences.add(AudienceKind.CODE, secret=SECRET, now=1)
        store.audiences.revoke(rows[0].id)
        store.audiences.add(AudienceKind.CODE, secret=SECRET, now=1, expires=9)
        store.audiences.add(AudienceKind.CODE, secret=SECRET, now=9)  # the others have expired

    @pytest.mark.parametrize(
        "bad", [{"secret": b"short"}, {"label": "x" * 81}, {"expires": 1}, {"expires": 0}]
    )
    def test_impossible_audiences_are_refused(self, store, bad):
        with pytest.raises(Rejected):
            store.audiences.add(**{"kind": AudienceKind.CODE, "secret": SECRET, "now": 1, **bad})
        assert store.audiences.list() == ()

    def test_an_unknown_kind_is_damage_not_a_crash(self, store):
        store.audiences.add(AudienceKind.ANYONE, secret=bytes(16), now=1)
        store.database.execute("UPDATE audience SET kind = 'aliens'")
        with pytest.raises(HomeDamaged, match="audiences"):
            store.audiences.live(now=1)


@attrs.frozen
class Shape:
    name: str
    sides: int = 4
    tags: tuple[str, ...] = ()


SHAPE = Setting("shape", Shape, Shape("square"))


class TestSettings:
    def test_defaults_until_something_is_chosen(self, store):
        assert store.settings.get(REACH) is ReachPolicy.CODES
        assert store.settings.get(RELAY_ONLY) is False
        assert store.settings.get(REGION) is None
        assert store.settings.get(BOOTSTRAPS) == ()

    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            (REACH, ReachPolicy.ANYONE),
            (BUSY, Busy.HIDE),
            (RELAY_ONLY, True),
            (REGION, "CA"),
            (BOOTSTRAPS, ("/dns/a.example/tcp/1/p2p/x", "/ip4/192.0.2.1/tcp/2/p2p/y")),
            (SHAPE, Shape("ünïcode", 5, ("a", "b"))),
        ],
    )
    def test_a_choice_is_kept_until_it_is_taken_back(self, store, setting, value):
        store.settings.put(setting, value)
        assert store.settings.get(setting) == value
        assert type(store.settings.get(setting)) is type(value)
        store.settings.reset(setting)
        assert store.settings.get(setting) == setting.default

    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            (REACH, "everybody"),
            (RELAY_ONLY, "yes"),
            (RELAY_ONLY, 1),
            (REGION, 7),
            (SHAPE, {"name": "dict"}),
            (SHAPE, Shape(name=None)),
            (SHAPE, Shape("x" * 70_000)),
            (BOOTSTRAPS, "not a list"),
            (BOOTSTRAPS, object()),
        ],
    )
    def test_a_value_of_another_type_is_refused(self, store, setting, value):
        with pytest.raises(Rejected, match="no value"):
            store.settings.put(setting, value)
        assert store.settings.get(setting) == setting.default

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", '"maybe"', "1", '{"sides": "four"}'])
    def test_a_damaged_value_is_named(self, store, text):
        for name in ("relay-only", "shape"):
            store.database.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, text))
        for setting in (RELAY_ONLY, SHAPE):
            with pytest.raises(HomeDamaged, match=f"'{setting.name}'"):
                store.settings.get(setting)

    def test_a_setting_of_many_values_is_bounded(self, store):
        peers = tuple(f"/ip4/192.0.2.1/tcp/{port}" for port in range(65))
        store.settings.put(DHT_PEERS, peers[:64])
        with pytest.raises(Rejected, match="at most 64"):
            store.settings.put(DHT_PEERS, peers)
        assert store.settings.get(DHT_PEERS) == peers[:64]
