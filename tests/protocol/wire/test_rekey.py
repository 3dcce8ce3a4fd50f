"""Keys of a channel are replaced in time, by both sides at the same place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onmeet_node.protocol.wire.cipher import CipherState
from onmeet_node.protocol.wire.errors import CipherError
from onmeet_node.protocol.wire.rekey import (
    REKEY_MESSAGES,
    REKEY_SECONDS,
    ReceivingCipher,
    SendingCipher,
)
from tests.examples import examples

KEY = bytes(range(32))


def test_a_key_serves_its_time_and_no_longer():
    send, receive = SendingCipher(CipherState(KEY), now=0), ReceivingCipher(CipherState(KEY))
    for now, frames in ((0, 1), (REKEY_SECONDS - 0.1, 1), (REKEY_SECONDS, 2), (601, 1), (1200, 2)):
        sealed = send.seal(b"one", now=now)
        assert len(sealed) == frames
        assert [receive.open(one) for one in sealed] == [None] * (frames - 1) + [b"one"]


def test_what_was_stolen_after_a_rekey_opens_nothing_from_before_it():
    cipher = CipherState(KEY)
    send = SendingCipher(cipher, now=0)
    (before,) = send.seal(b"before", now=0)
    send.seal(b"after", now=REKEY_SECONDS)
    with pytest.raises(CipherError):
        CipherState(cipher._key).decrypt(b"", before)
    assert CipherState(KEY).decrypt(b"", before) == b"before"


def test_a_key_serves_so_many_messages_and_the_other_side_holds_to_it():
    send, receive = SendingCipher(CipherState(KEY), now=0), ReceivingCipher(CipherState(KEY))
    lazy, strict = CipherState(KEY), ReceivingCipher(CipherState(KEY))
    for _ in range(REKEY_MESSAGES - 1):
        (sealed,) = send.seal(b"x", now=0)
        assert receive.open(sealed) == b"x"
        strict.open(lazy.encrypt(b"", b"x"))
    last, sealed = send.seal(b"x", now=0)
    assert (receive.open(last), receive.open(sealed)) == (None, b"x")
    with pytest.raises(CipherError, match="too many"):
        strict.open(lazy.encrypt(b"", b"x"))


def test_a_message_that_was_kept_back_or_altered_changes_no_key():
    send, receive = SendingCipher(CipherState(KEY), now=0), ReceivingCipher(CipherState(KEY))
    last, sealed = send.seal(b"x", now=REKEY_SECONDS)
    for wrong in (sealed, last[:-1] + bytes([last[-1] ^ 1])):
        with pytest.raises(CipherError):
            receive.open(wrong)
    assert [receive.open(last), receive.open(sealed)] == [None, b"x"]


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 2000), st.booleans()), max_size=40))
def test_whatever_both_say_and_however_late_it_arrives_each_message_is_read_once(steps):
    """Two directions that know nothing of each other's keys, each with frames on their way."""
    sides = [
        (SendingCipher(CipherState(key), now=0), ReceivingCipher(CipherState(key)))
        for key in (KEY, KEY[::-1])
    ]
    under_way: list[list[bytes]] = [[], []]
    said: list[list[bytes]] = [[], []]
    heard: list[list[bytes | None]] = [[], []]
    now = 0.0
    for number, (which, later, deliver) in enumerate(steps):
        now += later
        message = str(number).encode()
        said[which].append(message)
        under_way[which] += sides[which][0].seal(message, now=now)
        if deliver:
            heard[which] += [sides[which][1].open(one) for one in under_way[which]]
            under_way[which].clear()
    for which in (0, 1):
        heard[which] += [sides[which][1].open(one) for one in under_way[which]]
        assert [one for one in heard[which] if one is not None] == said[which]
