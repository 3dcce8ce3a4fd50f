"""What can go wrong in the accounts service, said so that its operator or a node can act on it."""

from __future__ import annotations

from typing import ClassVar

from onmeet_bootstrap.errors import BootstrapError


class AccountsError(BootstrapError):
    """The accounts service cannot do what was asked. Never contains a code, a key or an address."""


class LedgerDamaged(AccountsError):
    """What the ledger holds cannot be used."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is damaged. Restore the ledger from a backup.")


class LedgerUnavailable(AccountsError):
    """The ledger cannot be read or written just now."""


class PurchaseRefused(AccountsError):
    """A purchase that cannot be: nothing was counted."""

    status: ClassVar[int] = 400
    """Of HTTP."""
    reason: ClassVar[str] = "bad-request"
    """What a program knows it by."""


class BadPurchase(PurchaseRefused):
    """What was sent is no batch of requests for tokens."""


class OtherKey(PurchaseRefused):
    """The requests are for a key that does not sign any more, or not yet."""

    status = 409
    reason = "other-key"


class NoSeat(PurchaseRefused):
    """The code is of no seat, or of one that has ended."""

    status = 401
    reason = "no-seat"


class AllowanceUsed(PurchaseRefused):
    """More than what is left of the week's allowance."""

    status = 403
    reason = "allowance-used"


class AskedTooOften(PurchaseRefused):
    """A network asks too often."""

    status = 429
    reason = "busy"
