"""Which names are the same, which look alike, and what is no name but the start of a key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onmeet_node.protocol.identity.lookalike import called, look_of, meant, reads_as_key, same_name

ANA, BEN, EVE = b"\xaa" * 32, b"\xbb" * 32, b"\xee" * 32


@pytest.mark.parametrize(
    "other",
    [
        "bob",
        " Bob ",
        "BOB",
        "Bo\u200bb",
        "B\u2060ob\ufeff",
        "\u202eBob",
        "Ｂｏｂ",
        "Bob\u200d",
        "Bob\ufe0f",
    ],
)
def test_case_form_spaces_and_what_shows_nothing_make_no_other_name(other):
    assert same_name(other) == same_name("Bob")
    assert look_of(other) == look_of("Bob")


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Bob", "Воb"),  # Cyrillic В and о
        ("Bob", "B0b"),
        ("Paypal", "Раураl"),
        ("Ian", "lan"),
        ("Nick", "Νiсk"),  # Greek Ν, Cyrillic с
        ("Romy", "Rorny"),
        ("Alice", "A1ice"),
        ("Oscar", "Օscar"),  # Armenian Օ
    ],
)
def test_names_of_other_letters_that_look_alike_are_told_apart_and_found_together(name, other):
    assert same_name(name) != same_name(other)
    assert look_of(name) == look_of(other)


@pytest.mark.parametrize(("name", "other"), [("Ana", "Anna"), ("Änne", "Anne"), ("Нина", "Инна")])
def test_names_that_a_reader_tells_apart_do_not_look_alike(name, other):
    assert look_of(name) != look_of(other)


@pytest.mark.parametrize("text", ["deadbe", "3F9A12", "deаdbe", "ｄeadbe", " 123456 ", "facade"])
def test_what_reads_as_the_start_of_a_key_is_never_a_name(text):
    assert reads_as_key(text)
    assert called(text) is None
    assert called(f"name:{text}") == text.strip()


@pytest.mark.parametrize("text", ["Bea", "Abed", "Dora", "abcdefg", "dead beef", "onmeet:abc"])
def test_other_words_are_names(text):
    assert called(text) == text


def test_a_key_start_names_its_key_whatever_others_call_themselves():
    people = {ANA: "Ana", BEN: ANA.hex()[:12], EVE: EVE.hex()[:6]}
    assert meant(ANA.hex()[:12], people) == [ANA]
    assert meant(ANA.hex()[:12].upper(), people) == [ANA]
    assert meant(f"name:{ANA.hex()[:12]}", people) == [BEN]
    assert meant("cccccc", people) == []


def test_two_of_one_look_are_both_meant_and_one_that_only_looks_so_is_not():
    assert meant("Bob", {ANA: "Bob", EVE: "Воb"}) == [ANA, EVE]
    assert meant("Bob", {EVE: "Воb"}) == []
    assert meant("Воb", {EVE: "Воb"}) == [EVE]
    assert meant("bob", {ANA: "Bob", BEN: "Ben"}) == [ANA]
    assert meant("", {ANA: ""}) == [ANA]


@given(st.text(max_size=200))
def test_whatever_somebody_types_can_be_compared(text):
    assert same_name(same_name(text)) == same_name(text)
    assert isinstance(look_of(text), str)
    assert meant(text, {ANA: text}) in ([ANA], []) or reads_as_key(text)
