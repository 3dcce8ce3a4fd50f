"""Blind RSA and tokens, against the published vectors of RFC 9474 and RFC 9578."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st
from onmeet_bootstrap.accounts.errors import BadPurchase
from onmeet_bootstrap.accounts.signing import BlindSigner, new_private_key

from onmeet_node.protocol.errors import LocalProtocolError
from onmeet_node.protocol.wire import tokens
from onmeet_node.protocol.wire.blind_rsa import (
    BLIND_SPARE_BYTES,
    BadBlindSignature,
    BlindedMessage,
    RsaKey,
    blind,
    finalize,
    verifies,
)
from onmeet_node.protocol.wire.tokens import (
    BadToken,
    BlindedToken,
    Token,
    TokenKey,
    blinded_of,
    challenge,
    challenge_digest,
)
from onmeet_node.protocol.wire.weeks import epoch_begins, epoch_of
from tests.fakes.tokens import signer_of

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/tokens.json").read_text())
RSA = [pytest.param(v, id=v["name"]) for v in VECTORS["rfc9474"]]
TOKENS = [pytest.param(v, id=f"{v['made_by']} {n}") for n, v in enumerate(VECTORS["rfc9578"])]


def data(text: str) -> bytes:
    text = text.removeprefix("0x")
    return bytes.fromhex(text.rjust(len(text) + len(text) % 2, "0"))


def number(text: str) -> int:
    return int(text, 16)


@pytest.mark.parametrize("vector", RSA)
def test_rfc_9474(vector: dict[str, str]) -> None:
    key = RsaKey(number(vector["n"]), number(vector["e"]))
    salt, message = data(vector["salt"]), data(vector["input_msg"])
    blinding = pow(number(vector["inv"]), -1, key.n)
    randomness = (blinding - 1).to_bytes(key.size + BLIND_SPARE_BYTES, "big")
    made = blind(key, message, salt=salt, randomness=randomness)
    assert made.message == data(vector["blinded_msg"])
    assert made.inverse == number(vector["inv"])
    signer = BlindSigner(
        signer_of(number(vector["p"]), number(vector["q"]), number(vector["d"]), key)
    )
    answer = signer.sign(made.message)
    assert answer == data(vector["blind_sig"])
    signature = finalize(key, message, made, answer, len(salt))
    assert signature == data(vector["sig"])


@pytest.mark.parametrize("vector", TOKENS)
def test_rfc_9578(vector: dict[str, str]) -> None:
    key = TokenKey.decode(data(vector["pkS"]))
    assert key.encode() == data(vector["pkS"])
    blinding = number(vector["blind"])
    tail = (blinding - 1).to_bytes(key.rsa.size + BLIND_SPARE_BYTES, "big")
    digest = tokens.hashlib.sha256(data(vector["token_challenge"])).digest()
    made = BlindedToken.make(key, digest, data(vector["nonce"]) + data(vector["salt"]) + tail)
    assert made.request == data(vector["token_request"])
    signer = BlindSigner(_der(data(vector["skS"])))
    answer = signer.sign(blinded_of(made.request, key))
    assert answer == data(vector["token_response"])
    assert made.finish(answer) == data(vector["token"])
    token = Token.decode(data(vector["token"]))
    assert token.verifies(signer.public)
    assert token.encode() == data(vector["token"])


def test_a_challenge_of_ours_is_that_of_the_vectors_without_context() -> None:
    bare = [v["token_challenge"] for v in VECTORS["rfc9578"] if v["token_challenge"][36:38] == "00"]
    assert bare
    assert challenge("issuer.example", "origin.example").hex() in bare


def _der(pem: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization as how

    key = load_pem_private_key(pem, None)
    return key.private_bytes(how.Encoding.DER, how.PrivateFormat.PKCS8, how.NoEncryption())


# ── what is refused ──────────────────────────────────────────────────────────────────────────────
SIGNER = BlindSigner(new_private_key())
DIGEST = challenge_digest("issuer.example", "12D3KooW")


def bought(randomness: bytes | None = None) -> bytes:
    made = BlindedToken.make(SIGNER.public, DIGEST, randomness or os.urandom(tokens.RANDOM_BYTES))
    return made.finish(SIGNER.sign(blinded_of(made.request, SIGNER.public)))


def test_the_same_randomness_makes_the_same_token_and_other_randomness_another() -> None:
    once = os.urandom(tokens.RANDOM_BYTES)
    assert bought(once) == bought(once)
    assert bought() != bought()


def test_every_token_fits_every_purchase() -> None:
    """Whoever has all requests, answers and tokens finds a blind for each pair: all may be."""
    made = [
        BlindedToken.make(SIGNER.public, DIGEST, os.urandom(tokens.RANDOM_BYTES)) for _ in range(6)
    ]
    answers = [SIGNER.sign(blinded_of(one.request, SIGNER.public)) for one in made]
    spent = [Token.decode(one.finish(answer)) for one, answer in zip(made, answers, strict=True)]
    n, e = SIGNER.rsa.n, SIGNER.rsa.e
    for one, answer in zip(made, answers, strict=True):
        for token in spent:
            inverse = int.from_bytes(token.authenticator, "big") * pow(
                int.from_bytes(answer, "big"), -1, n
            )
            encoded = pow(int.from_bytes(token.authenticator, "big"), e, n)
            r = pow(inverse % n, -1, n)
            blinded = encoded * pow(r, e, n) % n
            assert blinded.to_bytes(256, "big") == blinded_of(one.request, SIGNER.public)


def test_an_answer_that_is_no_signature_is_refused() -> None:
    made = BlindedToken.make(SIGNER.public, DIGEST, os.urandom(tokens.RANDOM_BYTES))
    answer = bytearray(SIGNER.sign(blinded_of(made.request, SIGNER.public)))
    answer[100] ^= 1
    for wrong in (bytes(answer), bytes(256), b"", bytes(answer[:-1])):
        with pytest.raises(BadBlindSignature):
            made.finish(wrong)


def test_what_is_out_of_range_is_not_signed() -> None:
    n = SIGNER.rsa.n
    for wrong in (0, 1, n - 1, n, n + 1, 2**2048 - 1):
        with pytest.raises(BadPurchase):
            SIGNER.sign(wrong.to_bytes(256, "big"))
    with pytest.raises(BadPurchase):
        SIGNER.sign(bytes(255))


def test_a_token_under_another_key_or_changed_anywhere_is_none() -> None:
    token = bought()
    assert Token.decode(token).verifies(SIGNER.public)
    assert not Token.decode(token).verifies(BlindSigner(new_private_key()).public)
    for place in range(2, len(token), 7):
        changed = bytearray(token)
        changed[place] ^= 0x10
        assert not Token.decode(bytes(changed)).verifies(SIGNER.public)


def test_a_request_for_another_key_is_refused() -> None:
    made = BlindedToken.make(SIGNER.public, DIGEST, os.urandom(tokens.RANDOM_BYTES))
    other = bytearray(made.request)
    other[2] ^= 1
    with pytest.raises(BadToken, match="another key"):
        blinded_of(bytes(other), SIGNER.public)
    for wrong in (made.request[:-1], made.request + b"x", b"\x00\x01" + made.request[2:]):
        with pytest.raises(BadToken):
            blinded_of(wrong, SIGNER.public)


def test_too_little_randomness_is_a_mistake_of_ours() -> None:
    with pytest.raises(LocalProtocolError):
        BlindedToken.make(SIGNER.public, DIGEST, os.urandom(tokens.RANDOM_BYTES - 1))


def test_a_key_with_small_factors_is_noticed() -> None:
    message = b"x"
    weak = RsaKey(3 * SIGNER.rsa.n, 65537)
    found = 0
    for salt in (n.to_bytes(48, "big") for n in range(40)):
        try:
            blind(weak, message, salt=salt, randomness=os.urandom(weak.size + BLIND_SPARE_BYTES))
        except LocalProtocolError:
            found += 1
    assert found


@given(st.binary(max_size=400))
def test_any_bytes_are_a_token_or_the_one_error(found: bytes) -> None:
    with contextlib.suppress(BadToken):
        assert Token.decode(found).encode() == found


@given(st.integers(0, tokens.SPKI_BYTES - 1), st.integers(1, 255))
def test_a_changed_key_is_another_key_or_none(place: int, change: int) -> None:
    spki = bytearray(SIGNER.public.encode())
    spki[place] ^= change
    with contextlib.suppress(BadToken):
        assert TokenKey.decode(bytes(spki)) != SIGNER.public


def test_a_verifier_takes_no_other_salt() -> None:
    key, message = SIGNER.rsa, b"hello"
    made = blind(key, message, salt=b"", randomness=os.urandom(key.size + BLIND_SPARE_BYTES))
    signature = finalize(key, message, made, SIGNER.sign(made.message), 0)
    assert verifies(key, message, signature, 0)
    assert not verifies(key, message, signature)


def test_secrets_show_in_no_repr() -> None:
    made = BlindedMessage(b"", 123_456_789)
    assert "123456789" not in repr(made)
    token = Token.decode(bought())
    assert repr(token.nonce) not in repr(token)
    assert str(SIGNER.rsa.n) not in repr(SIGNER)


# ── weeks ────────────────────────────────────────────────────────────────────────────────────────
@given(st.integers(0, 2**40))
def test_epochs_are_iso_weeks(seconds: int) -> None:
    import datetime

    if seconds > 250_000_000_000:
        return
    epoch = epoch_of(seconds)
    assert epoch_begins(epoch) <= seconds < epoch_begins(epoch + 1)
    monday = datetime.datetime.fromtimestamp(epoch_begins(epoch), datetime.UTC)
    assert monday.isocalendar()[2] == 1
    assert (monday.hour, monday.minute, monday.second) == (0, 0, 0)
