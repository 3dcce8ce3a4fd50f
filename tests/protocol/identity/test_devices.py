"""Lists of devices: what is believed, and what a forger, a thief or a broken clock gets."""

from __future__ import annotations

import contextlib

import attrs
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onmeet_node.protocol.identity.devices import (
    LIST_SECONDS,
    MAX_LEAD_SECONDS,
    MAX_LIST_BYTES,
    MAX_LISTED,
    MAX_REVOKED,
    DeviceDetails,
    DeviceList,
    DeviceNote,
    details_digest,
    judge,
    read_details,
    read_list,
    require_listed,
    sign_list,
)
from onmeet_node.protocol.identity.errors import (
    BadDeviceList,
    DeviceListAhead,
    DeviceListError,
    DeviceListExpired,
    DeviceListForked,
    DeviceListOlder,
    DeviceNotListed,
)
from onmeet_node.protocol.identity.keys import IdentityKey

NOW = 1_800_000_000
ME = IdentityKey(b"i" * 32)
KEYS = [IdentityKey(bytes([n]) * 32).public for n in range(6)]


def listed(*places: int, now: int = NOW, after: int = 0, key: IdentityKey = ME) -> DeviceList:
    return sign_list(key, [KEYS[n] for n in places], DeviceDetails(), now=now, after=after)


def test_a_list_is_read_back_by_everybody_who_knows_the_person():
    made = listed(0, 1, 2, 3)
    assert read_list(ME.public, made.signed) == made
    assert len(made.signed) == MAX_LIST_BYTES
    assert (made.number, made.until) == (NOW, NOW + LIST_SECONDS)
    assert made.devices == tuple(KEYS[:4])
    require_listed(made, KEYS[3])
    with pytest.raises(DeviceNotListed):
        require_listed(made, KEYS[4])


@pytest.mark.parametrize("places", [(), (0, 1, 2, 3, 4), (0, 0)], ids=str)
def test_no_list_is_made_of_none_of_five_or_of_one_twice(places):
    with pytest.raises(BadDeviceList):
        listed(*places)


def test_a_list_of_ten_thousand_devices_is_refused_unread():
    head = listed(0).signed[:25]
    with pytest.raises(BadDeviceList, match="bytes"):
        read_list(ME.public, head + b"\xff" + KEYS[0] * 10_000 + bytes(64))


def test_a_device_cannot_sign_the_list():
    device = IdentityKey(bytes([0]) * 32)
    forged = listed(0, 1, key=device)
    with pytest.raises(BadDeviceList, match="did not sign"):
        read_list(ME.public, forged.signed)


@given(st.integers(0, MAX_LIST_BYTES - 1), st.integers(1, 255))
def test_a_list_altered_anywhere_is_refused(at, flip):
    signed = bytearray(listed(0, 1, 2, 3).signed)
    signed[at] ^= flip
    with pytest.raises(BadDeviceList):
        read_list(ME.public, bytes(signed))


@given(st.binary(max_size=MAX_LIST_BYTES + 8))
def test_arbitrary_bytes_are_no_list(data):
    with pytest.raises(BadDeviceList):
        read_list(ME.public, data)


def test_a_key_of_low_order_in_a_list_is_refused_though_the_person_signed_it():
    with pytest.raises(BadDeviceList, match="none"):
        sign_list(ME, [b"\x01" + bytes(31)], DeviceDetails(), now=NOW)


def test_a_list_that_goes_back_is_refused_and_the_newest_stays():
    older, newer = listed(0, 1), listed(0, now=NOW + 1)
    assert judge(newer, older, now=NOW) is newer
    assert judge(newer, newer, now=NOW) is newer
    with pytest.raises(DeviceListOlder):
        judge(older, newer, now=NOW)


def test_two_lists_of_one_number_are_a_fork_and_the_first_one_seen_stays():
    with pytest.raises(DeviceListForked):
        judge(listed(0, 1), listed(0, 2), now=NOW)


def test_a_list_runs_out_and_one_from_the_future_is_not_taken():
    made = listed(0)
    assert judge(made, None, now=made.until - 1) is made
    with pytest.raises(DeviceListExpired):
        judge(made, None, now=made.until)
    with pytest.raises(DeviceListExpired):
        judge(made, made, now=made.until)
    with pytest.raises(DeviceListAhead):
        judge(made, None, now=NOW - MAX_LEAD_SECONDS - 1)


def test_a_new_list_is_newer_whatever_the_clock_says():
    first = listed(0, now=NOW)
    second = listed(0, 1, now=NOW - 10_000, after=first.number)
    assert second.number == first.number + 1


@given(st.lists(st.tuples(st.integers(-5, 5), st.sampled_from([(0,), (0, 1), (0, 2)]))))
def test_whatever_is_offered_in_whatever_order_what_is_seen_only_gets_newer(offers):
    seen: DeviceList | None = None
    for offset, places in offers:
        offered = listed(*places, now=NOW + offset)
        before = seen
        with contextlib.suppress(DeviceListError):
            seen = judge(offered, seen, now=NOW)
        assert before is None or seen == before or seen.number > before.number


# ── what only own devices are told ───────────────────────────────────────────────────────────────
DETAILS = DeviceDetails(
    (DeviceNote(KEYS[0], "laptop", NOW, holds_identity=True), DeviceNote(KEYS[1], "phone", NOW)),
    revoked=(KEYS[5],),
)


def test_names_travel_beside_the_list_and_are_bound_to_it():
    made = sign_list(ME, KEYS[:2], DETAILS, now=NOW)
    assert read_details(made, DETAILS.encode()) == DETAILS
    assert b"laptop" not in made.signed
    assert DETAILS.note_of(KEYS[1]) == DETAILS.notes[1]
    changed = attrs.evolve(DETAILS, revoked=())
    with pytest.raises(BadDeviceList, match="another list"):
        read_details(made, changed.encode())


def test_a_later_version_may_say_more_of_a_device():
    encoded = msgpack.packb([[[KEYS[0], "laptop", NOW, True, {"kind": "watch"}]], []])
    made = attrs.evolve(listed(0), details=details_digest(encoded))
    assert read_details(made, encoded).notes == (DeviceNote(KEYS[0], "laptop", NOW, True),)


@pytest.mark.parametrize(
    "content",
    [
        7,
        [],
        [[], [], []],
        [[[b"short", "x", 1, True]], []],
        [[[KEYS[0], 5, 1, True]], []],
        [[[KEYS[0], "x", True, True]], []],
        [[[KEYS[0], "x", 1, 1]], []],
        [[[KEYS[4], "of no device in the list", 1, True]], []],
        [[], ["text"]],
    ],
    ids=repr,
)
def test_details_that_are_none_are_refused_even_if_the_digest_fits(content):
    encoded = msgpack.packb(content)
    made = attrs.evolve(listed(0), details=details_digest(encoded))
    with pytest.raises(BadDeviceList):
        read_details(made, encoded)


def test_of_many_revoked_keys_and_long_names_a_bounded_part_is_kept():
    encoded = msgpack.packb(
        [[[KEYS[0], "n" * 500, NOW, False]] * 50, [bytes([n % 256]) * 32 for n in range(500)]]
    )
    made = attrs.evolve(listed(0), details=details_digest(encoded))
    details = read_details(made, encoded)
    assert len(details.notes) == MAX_LISTED
    assert len(details.notes[0].name) == 40
    assert len(details.revoked) == MAX_REVOKED


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_details_or_refused(encoded):
    made = attrs.evolve(listed(0), details=details_digest(encoded))
    with contextlib.suppress(BadDeviceList):
        read_details(made, encoded)
