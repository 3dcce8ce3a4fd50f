"""What of a person others see, who gets through, and names that try to look like something else."""

import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onmeet_node.protocol.identity.audience import ANYONE_SECRET, Audience, find_by_proof, proof
from onmeet_node.protocol.identity.errors import BadProfile
from onmeet_node.protocol.identity.policy import Admission, ReachPolicy, Relation, decide
from onmeet_node.protocol.identity.profile import Field, Profile, Share, clean_card
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.wire.messages import Card

FULL = {
    "name": "Zoë",
    "country": "ca",
    "phone": "+1 514 555 0100",
    "email": "zoe@example.org",
    "picture": bytes(16),
}
NOW = 1_800_000_000


# ── profile ──────────────────────────────────────────────────────────────────────────────────────
def visible(card: Card) -> set[str]:
    return {field for field in Field if getattr(card, field) is not None}


def test_unless_told_otherwise_strangers_see_a_name_and_contacts_country_and_picture_too():
    profile = Profile(**FULL)
    assert visible(profile.card_for(Relation.STRANGER)) == {"name"}
    assert visible(profile.card_for(Relation.CONTACT)) == {"name", "country", "picture"}
    assert visible(profile.card_for(Relation.BLOCKED)) == set()


@given(st.dictionaries(st.sampled_from(Field), st.sampled_from(Share)))
def test_each_field_goes_exactly_to_those_it_is_shared_with(shares):
    profile = Profile(**FULL, shares=shares)
    for field, relation in itertools.product(Field, Relation):
        share = profile.shares[field]
        allowed = relation is not Relation.BLOCKED and (
            share is Share.EVERYONE or (share is Share.CONTACTS and relation is Relation.CONTACT)
        )
        assert (field in visible(profile.card_for(relation))) == allowed
        for alone in (True, False):
            card = profile.card_for(relation, {field: alone})
            expected = alone if relation is Relation.CONTACT else allowed
            assert (field in visible(card)) == expected
    everything = Profile(**FULL, shares=dict.fromkeys(Field, Share.EVERYONE))
    assert everything.card_for(Relation.STRANGER) == Card(**{**FULL, "country": "CA"})


def test_an_empty_entry_is_one_not_made():
    assert Profile(name=" ", country="", phone="\n", email=None) == Profile()


@pytest.mark.parametrize(
    ("entry", "remedy"),
    [
        ({"country": "Canada"}, "CA or DE"),
        ({"country": "c1"}, "CA or DE"),
        ({"phone": "call me"}, "digits"),
        ({"phone": "12"}, "digits"),
        ({"phone": "1" * 21}, "digits"),
        ({"email": "zoe"}, "name@example.org"),
        ({"email": "zoe@" + "x" * 200}, "name@example.org"),
        ({"shares": {"name": "friends"}}, "everyone, contacts, nobody"),
        ({"shares": {"age": "nobody"}}, "name, country, phone, email"),
    ],
)
def test_a_wrong_entry_is_refused_with_an_example(entry, remedy):
    with pytest.raises(BadProfile, match=remedy):
        Profile(**entry)


def test_phone_and_email_show_in_no_repr_and_no_error():
    assert "514" not in repr(Profile(**FULL))
    assert "zoe@" not in repr(Profile(**FULL))
    with pytest.raises(BadProfile) as caught:
        Profile(phone="555-SECRET")
    assert "SECRET" not in str(caught.value)


@given(
    phone=st.none() | st.text(max_size=120),
    email=st.none() | st.text(max_size=120),
    country=st.none() | st.from_regex(r"[A-Z]{2}", fullmatch=True),
    name=st.none() | st.text(max_size=80),
)
def test_any_card_received_becomes_one_that_is_safe_to_show(phone, email, country, name):
    cleaned = clean_card(Card(name=name, country=country, phone=phone, email=email))
    assert clean_card(cleaned) == cleaned


def test_a_name_received_cannot_turn_the_text_around_it():
    assert clean_card(Card(name="\u202eZoë", country="CA")) == Card(name="Zoë", country="CA")


# ── text ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zoë Müller", "Zoë Müller"),
        ("  a \t\r\n b\u2028c ", "a b c"),
        ("\u202egpj.evil", "gpj.evil"),
        ("a\u2066b\u2069\u200f\u061c", "ab"),
        ("a\x00\x1b[31mb\x7f\x9b", "a[31mb"),
        ("\u200b\ufeff\u2060\u00ad", ""),
        ("\u3164\u2800\u115f\uffa0", ""),
        ("\u200d\u200c", ""),
        ("\ud800x", "x"),
        ("\ue000\U000e0041x", "x"),
        ("e\u0301", "é"),
        ("Việt Nam", "Việt Nam"),
        ("علی‌رضا", "علی‌رضا"),
        ("👩‍👩‍👧", "👩‍👩‍👧"),
        ("❤️", "❤️"),
        ("z" + "\u0335\u0336\u0337\u0338\u0339", "z\u0335\u0336\u0337"),
        ("x" * 100, "x" * 79 + "…"),
    ],
    ids=ascii,
)
def test_text_of_others_can_only_show_itself(text, shown):
    assert clean_text(text) == shown


@given(st.text(), st.integers(1, 100))
def test_cleaned_text_is_one_short_line_without_tricks_and_stays_as_it_is(text, limit):
    cleaned = clean_text(text, limit)
    assert len(cleaned) <= limit
    assert cleaned == cleaned.strip()
    categories = {unicodedata.category(character) for character in cleaned} - {"Cf"}
    assert not categories & {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert not set(cleaned) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b")
    assert clean_text(cleaned, limit) == cleaned


def test_a_very_long_text_costs_no_time():
    assert clean_text("a\u0301" * 10_000_000, 10) == "á" * 9 + "…"


# ── audiences ────────────────────────────────────────────────────────────────────────────────────
HASH = bytes(range(64))
CODE, CONTACTS = Audience("flyer", b"f" * 16, NOW + 10), Audience("contacts", b"c" * 16)


def test_who_holds_a_secret_is_recognized_on_that_channel_alone():
    audiences = (CONTACTS, CODE)
    shown = proof(CODE.secret, HASH)
    assert find_by_proof(audiences, shown, HASH, NOW) is CODE
    assert find_by_proof(audiences, shown, bytes(64), NOW) is None
    assert find_by_proof(audiences, proof(b"x" * 16, HASH), HASH, NOW) is None
    for nothing in (None, b"", shown[:-1]):
        assert find_by_proof(audiences, nothing, HASH, NOW) is None


def test_an_expired_or_revoked_code_proves_nothing():
    shown = proof(CODE.secret, HASH)
    assert find_by_proof([CODE], shown, HASH, NOW + 9) is CODE
    assert find_by_proof([CODE], shown, HASH, NOW + 10) is None
    assert find_by_proof([CONTACTS], shown, HASH, NOW) is None


def test_the_secret_of_an_audience_has_16_bytes_and_shows_in_no_repr():
    assert repr(CODE.secret) not in repr(CODE)
    assert "ffff" not in repr(CODE)
    for bad in (b"", bytes(15), bytes(17)):
        with pytest.raises(ValueError, match="secret"):
            Audience("x", bad)
    assert len(Audience("anyone", ANYONE_SECRET).secret) == 16


# ── policy ───────────────────────────────────────────────────────────────────────────────────────
def test_who_gets_through():
    admitted = {
        (policy, relation, proven)
        for policy, relation, proven in itertools.product(ReachPolicy, Relation, (False, True))
        if decide(policy, relation, proven=proven) is Admission.ADMIT
    }
    contacts = {
        (policy, Relation.CONTACT, proven) for policy in ReachPolicy for proven in (False, True)
    }
    strangers = {
        (ReachPolicy.ANYONE, Relation.STRANGER, False),
        (ReachPolicy.ANYONE, Relation.STRANGER, True),
        (ReachPolicy.CODES, Relation.STRANGER, True),
    }
    assert admitted == contacts | strangers
