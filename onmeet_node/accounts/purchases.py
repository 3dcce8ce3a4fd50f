"""One purchase, from the seat to the purse."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from onmeet_node.accounts.buying import Buyer
from onmeet_node.accounts.issuer_client import open_issuer
from onmeet_node.protocol.wire.bootstrap_api import TokenTerms
from onmeet_node.store.purse import Purse


async def purchase(
    purse: Purse,
    terms: Callable[[str], Mapping[str, TokenTerms]],
    epoch: int,
    *,
    at_need: bool,
) -> int:
    """Buys what is left of a week for the purse's seat; how many tokens came.

    `terms`: what connected bootstraps sign of an issuer. Raises `AccountError` and `StoreError`.
    """
    seat = purse.seat()
    if seat is None:
        return 0
    link, via = seat
    async with open_issuer(link, via) as client:
        buyer = Buyer(purse, link.issuer, client, lambda: terms(link.issuer))
        return await buyer.buy(epoch, at_need=at_need)
