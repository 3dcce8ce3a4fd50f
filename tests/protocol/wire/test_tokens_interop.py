"""Our tokens and those of an independent implementation, in JavaScript: each takes the other's."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from onmeet_bootstrap.accounts.signing import BlindSigner, new_private_key

from onmeet_node.protocol.wire import tokens
from onmeet_node.protocol.wire.tokens import (
    BlindedToken,
    Token,
    TokenKey,
    blinded_of,
    challenge,
    challenge_digest,
)
from tests.requirements import need, needs_node

pytestmark = [pytest.mark.real, needs_node]

ROOT = Path(__file__).parents[3]
Ask = Callable[..., dict[str, object]]


@pytest.fixture
def ask() -> Iterator[Ask]:
    if not (ROOT / "ui/node_modules/@cloudflare/privacypass-ts").is_dir():
        need("ui/node_modules lacks @cloudflare/privacypass-ts (npm ci in ui)")
    script = Path(__file__).with_name("tokens_interop.mjs")
    with subprocess.Popen(
        ["node", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def asking(**question: str) -> dict[str, object]:
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield asking
        process.stdin.close()
        assert process.wait(20) == 0


def test_their_client_buys_of_our_issuer(ask: Ask) -> None:
    signer = BlindSigner(new_private_key())
    asked = ask(
        do="request",
        issuer="issuer.example",
        origin="origin.example",
        spki=signer.public.encode().hex(),
    )
    assert asked["challenge"] == challenge("issuer.example", "origin.example").hex()
    request = bytes.fromhex(str(asked["request"]))
    answer = signer.sign(blinded_of(request, signer.public))
    token = Token.decode(bytes.fromhex(str(ask(do="finalize", answer=answer.hex())["token"])))
    assert token.verifies(signer.public)
    assert token.challenge_digest == challenge_digest("issuer.example", "origin.example")


def test_we_buy_of_their_issuer_and_their_origin_takes_our_token(ask: Ask) -> None:
    key = TokenKey.decode(bytes.fromhex(str(ask(do="generate")["spki"])))
    digest = challenge_digest("issuer.example", "origin.example")
    made = BlindedToken.make(key, digest, os.urandom(tokens.RANDOM_BYTES))
    answer = bytes.fromhex(str(ask(do="issue", request=made.request.hex())["answer"]))
    token = made.finish(answer)
    assert ask(do="verify", token=token.hex()) == {"good": True}
    forged = token[:-1] + bytes([token[-1] ^ 1])
    assert ask(do="verify", token=forged.hex()) == {"good": False}
