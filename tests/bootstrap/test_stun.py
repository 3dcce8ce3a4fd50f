"""STUN messages against RFC 5769's vectors, and what arbitrary bytes do."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st
from onmeet_bootstrap.turn import stun
from onmeet_bootstrap.turn.allocate import TurnUrl


def test_a_signed_request_is_that_of_the_rfc() -> None:
    username = "マトリックス".encode()
    realm, nonce = b"example.org", b"f//499k954d6OL34oL9FSTvy64sA"
    key = hashlib.md5(username + b":" + realm + b":TheMatrIX").digest()
    made = stun.encode(
        0x0001,
        bytes.fromhex("78ad3433c6ad72c029da412e"),
        [(0x0006, username), (0x0015, nonce), (0x0014, realm)],
        key=key,
    )
    assert made[-20:] == bytes.fromhex("f67024656dd64a3e02b8e0712e85c9a28ca89666")
    told = stun.decode(made)
    assert told is not None
    assert told.attributes[0x0014] == realm


def test_the_error_is_told_as_a_number() -> None:
    answer = stun.decode(stun.encode(0x0113, bytes(12), [(stun.ERROR_CODE, b"\0\0\x04\x01No")]))
    assert answer is not None
    assert answer.error == 401


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_message_or_none(data: bytes) -> None:
    message = stun.decode(data)
    assert message is None or message.error >= 0


def test_urls_are_taken_apart() -> None:
    assert TurnUrl.parse("turn:[2001:db8::5]:3479?transport=tcp") == TurnUrl(
        "2001:db8::5", 3479, "TCP"
    )
    assert TurnUrl.parse("turns:t.example?transport=tcp") == TurnUrl("t.example", 5349, "TLS")
    assert TurnUrl.parse("turn:192.0.2.1") == TurnUrl("192.0.2.1", 3478, "UDP")
