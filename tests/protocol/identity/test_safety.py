"""The numbers two people compare, and the fingerprint an SDP announces."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onmeet_node.protocol.identity.errors import BadFingerprint, BadKey, IdentityError
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.identity.safety import (
    fingerprint_from_sdp,
    grouped,
    numeric_fingerprint,
    safety_number,
    sas,
)

ALICE, BOB, MALLORY = (IdentityKey.from_seed(bytes([n]) * 32).public for n in (1, 2, 3))
HASH = bytes(range(64))
NONCES = (b"o" * 16, b"a" * 16)
ONE, TWO = b"\1" * 32, b"\2" * 32


def test_a_fingerprint_is_made_as_signal_makes_it():
    # libsignal, NumericFingerprintGeneratorTest, version 1.
    alice = "0506863bc66d02b40d27b8d49ca7c09e9239236f9d7d25d6fcca5ce13c7064d868"
    bob = "05f781b6fb32fed9ba1cf2de978d4d5da28dc34046ae814402b5c0dbd96fda907b"
    halves = (
        numeric_fingerprint(bytes.fromhex(alice), b"+14152222222"),
        numeric_fingerprint(bytes.fromhex(bob), b"+14153333333"),
    )
    assert "".join(sorted(halves)) == (
        "300354477692869396892869876765458257569162576843440918079131"
    )


def test_both_people_see_one_safety_number_and_another_with_anybody_else():
    number = safety_number(ALICE, BOB)
    assert number == safety_number(BOB, ALICE)
    assert len(number) == 60
    assert number.isdigit()
    pairs = itertools.combinations((ALICE, BOB, MALLORY), 2)
    assert len({safety_number(*pair) for pair in pairs}) == 3
    assert len(grouped(number).split()) == 12


def test_a_safety_number_is_not_made_of_a_bad_key():
    with pytest.raises(BadKey):
        safety_number(ALICE, bytes(32))


def test_both_ends_of_a_call_see_one_string_read_in_two_groups():
    shown = sas(HASH, ONE, TWO, NONCES)
    assert shown == sas(HASH, TWO, ONE, NONCES)
    assert [len(group) for group in shown.split()] == [3, 3]
    assert shown.replace(" ", "").isdigit()


def test_other_people_certificates_or_nonces_give_another_string():
    other = b"x" * 16
    strings = [
        sas(HASH, ONE, TWO, NONCES),
        sas(bytes(64), ONE, TWO, NONCES),
        sas(HASH, ONE, ONE, NONCES),
        sas(HASH, b"\3" * 32, TWO, NONCES),
        sas(HASH, ONE, TWO, (other, NONCES[1])),
        sas(HASH, ONE, TWO, (NONCES[0], other)),
        sas(HASH, ONE, TWO, (NONCES[1], NONCES[0])),
    ]
    assert len(set(strings)) == len(strings)


def test_digits_of_the_string_are_evenly_spread():
    strings = [sas(n.to_bytes(64, "big"), ONE, TWO, NONCES).replace(" ", "") for n in range(400)]
    counts = [sum(text.count(digit) for text in strings) for digit in "0123456789"]
    assert all(170 < count < 310 for count in counts)  # 240 ± 4.8 standard deviations


@pytest.mark.parametrize("bad", [b"", bytes(31), bytes(64)])
def test_a_fingerprint_of_another_length_is_refused(bad):
    with pytest.raises(BadFingerprint):
        sas(HASH, ONE, bad, NONCES)


LINE = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32)
OTHER = "a=fingerprint:sha-256 " + ":".join(["CD"] * 32)


@pytest.mark.parametrize(
    "sdp",
    [
        LINE,
        f"v=0\r\n{LINE}\r\nm=audio 9\r\n",
        f"v=0\n{LINE}\nm=audio\n{LINE.lower()}\nm=video\n{LINE}",
        f"v=0\r\na=fingerprint:sha-512 AA:BB\r\n{LINE} \r\na=setup:actpass",
    ],
)
def test_the_certificate_is_read_from_an_sdp(sdp):
    assert fingerprint_from_sdp(sdp) == b"\xab" * 32


@pytest.mark.parametrize(
    ("sdp", "why"),
    [
        ("", "no SHA-256"),
        ("v=0\r\na=fingerprint:sha-1 AA:BB", "no SHA-256"),
        (LINE[:-1], "no SHA-256"),
        (LINE + ":AB", "no SHA-256"),
        ("i=" + LINE, "no SHA-256"),
        (f"{LINE}\r\n{OTHER}", "several certificates"),
    ],
)
def test_an_sdp_without_exactly_one_certificate_is_refused(sdp, why):
    with pytest.raises(BadFingerprint, match=why):
        fingerprint_from_sdp(sdp)


@given(st.text())
def test_arbitrary_text_as_sdp_is_refused(sdp):
    with pytest.raises(IdentityError):
        fingerprint_from_sdp(sdp)
