"""Commands about the account at an operator's."""

from __future__ import annotations

from onmeet_node.control.door import Door
from onmeet_node.control.requests import account as ask
from onmeet_node.node.views import AccountView


async def show_account(door: Door, _: ask.ShowAccount) -> AccountView:
    """See `ShowAccount`. Raises `NoPurse`."""
    return door.node.account.view()


async def enter_seat(door: Door, request: ask.EnterSeat) -> AccountView:
    """See `EnterSeat`. Raises `BadSeat`, and `AccountError` if nothing was bought: the seat is kept
    all the same, and it is tried again.
    """
    return await door.node.account.take_seat(request.link, request.via)


async def buy_tokens(door: Door, _: ask.BuyTokens) -> AccountView:
    """See `BuyTokens`. Raises `NoPurse` and `AccountError`."""
    return await door.node.account.buy()


async def leave_account(door: Door, _: ask.LeaveAccount) -> None:
    """See `LeaveAccount`. Raises `NoPurse`."""
    door.node.account.leave()


COMMANDS = (show_account, enter_seat, buy_tokens, leave_account)
