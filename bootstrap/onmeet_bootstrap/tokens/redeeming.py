"""Whether a token is good, and that it is so once."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

import attrs

from onmeet_bootstrap.errors import Exhausted, TokenNotTaken
from onmeet_bootstrap.tokens.spent import SpentList, mark_of
from onmeet_bootstrap.turn.lending import REPEAT_SECONDS
from onmeet_node.net.rates import AllowedRate, RateLimit
from onmeet_node.protocol.wire.bootstrap_api import TokenTerms, TurnCredentials, WeekKey
from onmeet_node.protocol.wire.tokens import (
    MAX_PUBLISHED_KEYS,
    BadToken,
    Token,
    TokenKey,
    challenge_digest,
)
from onmeet_node.protocol.wire.weeks import EARLY_SECONDS, GRACE_SECONDS, epoch_begins, epoch_of

_MINUTES_A_DAY = 24 * 60


@attrs.frozen
class Claim:
    """A token that was looked at: it is good, or was spent here just now."""

    epoch: int
    mark: bytes
    whole: bytes
    """SHA-256 of all of it: a repetition is of the same bytes."""
    again: TurnCredentials | None = attrs.field(default=None, repr=False)
    """What it was given before."""
    door: bool = False
    """Whether that was a door."""


class Redeemer:
    """Takes tokens of one issuer for one bootstrap."""

    def __init__(
        self,
        issuer: str,
        peer_id: str,
        keys: Callable[[], Mapping[int, TokenKey]],
        *,
        most_spent: int,
        free_per_network: int,
        doors: bool = False,
        up: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """`peer_id`: this bootstrap's, for which alone tokens are good; `up`: whether TURN is;
        `doors`: whether those cost a token too.
        """
        self._issuer = issuer
        self._digest = challenge_digest(issuer, peer_id)
        self._keys = keys
        self._up = up
        self._clock = clock
        self._steady = steady
        self._free_count = free_per_network
        self._free = (
            RateLimit(AllowedRate(free_per_network / _MINUTES_A_DAY, free_per_network), steady)
            if free_per_network
            else None
        )
        self._recent: OrderedDict[bytes, tuple[float, bytes, TurnCredentials | None]] = (
            OrderedDict()
        )
        """By mark: until when, of which token, and what was lent; None: it was for a door."""
        self.doors = doors
        self.spent = SpentList(most_spent)

    @property
    def recent(self) -> int:
        """Tokens whose credentials would be given again."""
        self._forget_recent()
        return len(self._recent)

    @property
    def free_networks(self) -> int:
        """Networks that had something without a token lately."""
        return len(self._free) if self._free is not None else 0

    def terms(self) -> TokenTerms:
        """What the signed description says: whose tokens are taken, and under which keys.

        This week's key and the next one's alone: what is shown to one is shown to all.
        """
        week = epoch_of(self._clock())
        keys = self._keys()
        published = [WeekKey(epoch=e, id=keys[e].id) for e in (week, week + 1) if e in keys]
        return TokenTerms(
            issuer=self._issuer,
            keys=tuple(published[:MAX_PUBLISHED_KEYS]),
            free=self._free_count,
            doors=self.doors,
        )

    def require_turn(self) -> None:
        """Raises `Exhausted` while TURN is down: a token would buy nothing."""
        if not self._up():
            raise Exhausted("TURN is being started again here: ask another bootstrap, or later.")

    def take_free(self, network: str) -> None:
        """One without a token. Raises `TokenNotTaken`."""
        if self._free is None or not self._free.allow(network):
            raise TokenNotTaken("token-needed", "This bootstrap lends TURN for tokens.")

    def examine(self, data: bytes) -> Claim:
        """What this token is worth; changes nothing. Raises `TokenNotTaken` and `Exhausted`."""
        try:
            token = Token.decode(data)
        except BadToken:
            raise TokenNotTaken("token-invalid", "That is no token.") from None
        if token.challenge_digest != self._digest:
            raise TokenNotTaken("token-invalid", "That token is for another bootstrap.")
        epoch, key = self._key_of(token)
        mark, whole = mark_of(token.nonce), hashlib.sha256(data).digest()
        if (epoch, mark) in self.spent:
            self._forget_recent()
            _, same, given = self._recent.get(mark, (0.0, b"", None))
            if same != whole:
                raise TokenNotTaken("token-spent", "That token was spent here before.")
            return Claim(epoch, mark, whole, given, door=given is None)
        if not token.verifies(key):
            raise TokenNotTaken("token-invalid", "That token is not signed by the issuer.")
        self.spent.require_room()
        return Claim(epoch, mark, whole)

    def _key_of(self, token: Token) -> tuple[int, TokenKey]:
        now = self._clock()
        for epoch, key in self._keys().items():
            if key.id != token.key_id:
                continue
            if now >= epoch_begins(epoch + 1) + GRACE_SECONDS:
                break
            if now < epoch_begins(epoch) - EARLY_SECONDS:
                raise TokenNotTaken("token-invalid", "That token is of a week to come.")
            return epoch, key
        raise TokenNotTaken("token-ended", "That token's week is over, or its key unknown here.")

    def pay_door(self, data: bytes | None) -> None:
        """Takes a token for a day of a door, where they cost one. Raises `TokenNotTaken` and
        `Exhausted`.
        """
        if not self.doors:
            return
        if data is None:
            raise TokenNotTaken("token-needed", "This bootstrap opens doors for tokens.")
        claim = self.examine(data)
        if claim.again is not None:
            raise TokenNotTaken("token-spent", "That token was spent here for TURN.")
        if not claim.door:
            self.spend(claim, None)

    def spend(self, claim: Claim, given: TurnCredentials | None) -> None:
        """Marks it; for a while `given` is given for it again. Raises `Exhausted`."""
        self.spent.add(claim.epoch, claim.mark)
        self._recent[claim.mark] = (self._steady() + REPEAT_SECONDS, claim.whole, given)
        self._forget_recent()

    def forget(self) -> None:
        """Drops what is over."""
        self._forget_recent()
        self.spent.forget_past(self._clock())
        if self._free is not None:
            self._free.forget_full()

    def _forget_recent(self) -> None:
        now = self._steady()
        while self._recent and next(iter(self._recent.values()))[0] <= now:
            self._recent.popitem(last=False)
