"""Buys a week's tokens in one batch, so that it can be begun again wherever it broke off."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from onmeet_node.accounts.errors import IssuerRefused, KeyNotShared
from onmeet_node.accounts.issuer_client import IssuerClient
from onmeet_node.accounts.planning import agreed_key, split
from onmeet_node.protocol.wire.blind_rsa import BadBlindSignature
from onmeet_node.protocol.wire.bootstrap_api import TokenTerms
from onmeet_node.protocol.wire.tokens import (
    MAX_BATCH,
    RANDOM_BYTES,
    BlindedToken,
    TokenKey,
    challenge_digest,
)
from onmeet_node.store.purse import PendingBatch, Purse

_OVER = {"other-key", "allowance-used", "bad-request"}
"""Refusals after which a batch is made anew, not sent again."""


class Buyer:
    """Buys for one seat into one purse."""

    def __init__(
        self,
        purse: Purse,
        issuer: str,
        client: IssuerClient,
        terms: Callable[[], Mapping[str, TokenTerms]],
        *,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """`terms`: what connected bootstraps sign of this issuer, the nearest first."""
        self._purse = purse
        self._issuer = issuer
        self._client = client
        self._terms = terms
        self._random = random

    async def buy(self, epoch: int, *, at_need: bool) -> int:
        """What is left of a week's allowance; how many tokens came. Raises `AccountError`.

        A batch that was begun is sent again as it was: the issuer counts it once.
        """
        batch = self._purse.pending(epoch)
        if batch is not None:
            try:
                return await self._send(batch, at_need=at_need)
            except IssuerRefused as error:
                if error.reason not in _OVER:
                    raise
        batch = await self._begin(epoch)
        return await self._send(batch, at_need=at_need) if batch is not None else 0

    async def _begin(self, epoch: int) -> PendingBatch | None:
        directory = await self._client.directory()
        week = self._purse.week(epoch)
        key, peers = agreed_key(
            directory, self._terms(), epoch, week.key_id if week is not None else None
        )
        allowance = await self._client.allowance()
        count = min(allowance.left.get(epoch, 0), MAX_BATCH)
        items = tuple(
            (peer, self._random(RANDOM_BYTES))
            for peer, number in split(count, peers).items()
            for _ in range(number)
        )
        if not items:
            return None
        batch = PendingBatch(epoch, key.encode(), items)
        self._purse.begin(batch, key.id)
        return batch

    async def _send(self, batch: PendingBatch, *, at_need: bool) -> int:
        key = TokenKey.decode(batch.spki)
        made = [
            BlindedToken.make(key, challenge_digest(self._issuer, peer), randomness)
            for peer, randomness in batch.items
        ]
        try:
            answers = await self._client.sign(b"".join(one.request for one in made))
            if len(answers) != len(made):
                raise BadBlindSignature
            tokens = [one.finish(answer) for one, answer in zip(made, answers, strict=True)]
        except IssuerRefused as error:
            if error.reason in _OVER:
                self._purse.drop(batch.epoch)
            raise
        except BadBlindSignature as error:
            # Not sent again: whoever signs wrongly could try what each blind lets through.
            self._purse.drop(batch.epoch)
            raise KeyNotShared("what the issuer signed does not fit its key") from error
        peers = [peer for peer, _ in batch.items]
        self._purse.finish(batch.epoch, list(zip(peers, tokens, strict=True)), at_need=at_need)
        return len(tokens)
