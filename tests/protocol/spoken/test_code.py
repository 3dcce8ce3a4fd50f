"""Spoken codes as people say and type them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onmeet_node.protocol.identity.code import ContactCode
from onmeet_node.protocol.identity.errors import CodeError
from onmeet_node.protocol.spoken.code import (
    SpokenCode,
    SpokenCodeUnreadable,
    SpokenWordUnknown,
    is_spoken,
    parse_spoken,
)
from onmeet_node.protocol.spoken.words import THREE_SYLLABLES, TWO_SYLLABLES

CODE = SpokenCode(7, bytes([THREE_SYLLABLES.index("crossover"), TWO_SYLLABLES.index("clockwork")]))
codes = st.builds(SpokenCode, st.integers(1, 9_999), st.binary(min_size=2, max_size=2))


def test_the_words_are_two_lists_of_256_of_which_no_word_stands_in_both():
    assert len(TWO_SYLLABLES) == len(THREE_SYLLABLES) == 256
    assert len({*TWO_SYLLABLES, *THREE_SYLLABLES}) == 512
    assert all(one.isascii() and one.islower() for one in (*TWO_SYLLABLES, *THREE_SYLLABLES))
    # The ends, and pgp's own example in the manual: E582 is "topmost Istanbul".
    assert (TWO_SYLLABLES[0], THREE_SYLLABLES[0]) == ("aardvark", "adroitness")
    assert (TWO_SYLLABLES[0xE5], THREE_SYLLABLES[0x82]) == ("topmost", "istanbul")
    assert (TWO_SYLLABLES[255], THREE_SYLLABLES[255]) == ("zulu", "yucatan")


def test_a_code_is_a_number_and_two_words():
    assert CODE.text() == "7-crossover-clockwork"
    assert "crossover" not in repr(CODE)


@pytest.mark.parametrize(
    "typed",
    [
        "7-crossover-clockwork",
        "7 Crossover Clockwork",
        " 7, crossover, clockwork. ",
        "7-CROSSOVER-CLOCKWORK\n",
        "“7–crossover–clockwork”",
        "٧ crossover clockwork",
        "７ crossover  clockwork",
        "007 crossover clockwork",
    ],
)
def test_however_it_is_typed_it_is_the_same_code(typed):
    assert is_spoken(typed)
    assert parse_spoken(typed) == CODE


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("7-crossovr-clockwork", "crossover"),
        ("7-crossover-clockwerk", "clockwork"),
        ("7-crosover-clockwork", "crossover"),
        ("7-crossover-qqqqq", None),
    ],
)
def test_a_slip_is_told_with_the_nearest_word(typed, meant):
    assert is_spoken(typed)
    with pytest.raises(SpokenWordUnknown) as told:
        parse_spoken(typed)
    assert told.value.meant == meant
    if meant:
        assert meant in str(told.value)


def test_words_in_the_wrong_order_are_no_code():
    with pytest.raises(SpokenWordUnknown):
        parse_spoken("7-clockwork-crossover")


@pytest.mark.parametrize(
    "typed",
    ["7-crossover", "crossover-clockwork", "0-crossover-clockwork", "10000-crossover-clockwork",
     "7-crossover-clockwork-zulu", "", "7", "x" * 500, "7" * 80],
)  # fmt: skip
def test_what_is_no_whole_code_is_refused_with_what_one_looks_like(typed):
    with pytest.raises(SpokenCodeUnreadable, match=r"number and two words"):
        parse_spoken(typed)


def test_no_contact_code_is_taken_for_a_spoken_one():
    code = ContactCode(bytes.fromhex("58" + "66" * 31))
    assert not any(is_spoken(text) for text in (code.uri(), code.payload(), "7", "Ann", "a1b2c3d4"))


@given(codes)
def test_each_code_is_read_as_it_is_written(code):
    assert is_spoken(code.text())
    assert parse_spoken(code.text()) == code


@given(st.text(max_size=120))
def test_any_text_is_a_code_or_refused(text):
    with contextlib.suppress(CodeError):
        assert isinstance(parse_spoken(text), SpokenCode)
