"""What tokens cost: CPU of the issuer, of a bootstrap and of a node; no network."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from benchmarks.measure import Report

T = TypeVar("T")
TIMES = 200
SIGN_MS, VERIFY_MS, REDEEM_MS, PURCHASE_MS = 1 / 0.6, 0.1, 1.0, 2.5
"""Targets: 600 signatures and 10,000 verifications a second, a redemption within 1 ms, and 400
purchases counted a second."""


def measure_tokens(report: Report) -> None:
    """Each step of a token's life, alone."""
    from onmeet_bootstrap.accounts.ledger import open_ledger
    from onmeet_bootstrap.accounts.signing import BlindSigner, new_private_key
    from onmeet_bootstrap.tokens.redeeming import Redeemer

    from onmeet_node.protocol.wire.bootstrap_api import TurnCredentials
    from onmeet_node.protocol.wire.tokens import (
        RANDOM_BYTES,
        BlindedToken,
        Token,
        blinded_of,
        challenge_digest,
    )
    from onmeet_node.protocol.wire.weeks import epoch_of

    def spent(name: str, target: float | None, work: Callable[[int], T]) -> list[T]:
        series, made = report.series(f"token: {name}", target=target), []
        for number in range(TIMES):
            begun = time.process_time()
            made.append(work(number))
            series.values.append((time.process_time() - begun) * 1000)
        return made

    signer = BlindSigner(new_private_key())
    key, digest = signer.public, challenge_digest("accounts.example", "12D3KooW")

    def blind(_: int) -> BlindedToken:
        return BlindedToken.make(key, digest, os.urandom(RANDOM_BYTES))

    blinded = spent("blinding, CPU of the node", None, blind)
    answers = spent(
        "a blind signature, CPU of the issuer",
        SIGN_MS,
        lambda n: signer.sign(blinded_of(blinded[n].request, key)),
    )
    tokens = spent(
        "unblinding and checking, CPU of the node", None, lambda n: blinded[n].finish(answers[n])
    )
    spent(
        "a verification, CPU of the bootstrap",
        VERIFY_MS,
        lambda n: Token.decode(tokens[n]).verifies(key),
    )
    given = TurnCredentials(urls=("turn:192.0.2.1",), username="1:x", credential="y", ttl=3600)
    redeemer = Redeemer(
        "accounts.example",
        "12D3KooW",
        lambda: {epoch_of(time.time()): key},
        most_spent=TIMES,
        free_per_network=0,
    )
    spent(
        "a redemption, CPU of the bootstrap",
        REDEEM_MS,
        lambda n: redeemer.spend(redeemer.examine(tokens[n]), given),
    )
    with tempfile.TemporaryDirectory() as home, open_ledger(Path(home)) as ledger:
        ledger.add_group("x", 10**6, 10**6, [bytes(32)])
        terms = ledger.seat(bytes(32), 0)
        series = report.series("token: a purchase counted in the ledger", target=PURCHASE_MS)
        for number in range(TIMES):
            begun = time.perf_counter()
            ledger.charge(terms, 1, number.to_bytes(16, "big"), 1)
            series.values.append((time.perf_counter() - begun) * 1000)
