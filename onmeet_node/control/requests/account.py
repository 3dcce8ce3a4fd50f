"""What is asked about the account at an operator's: a seat, and the tokens that it buys."""

from __future__ import annotations

import attrs

from onmeet_node.control.shapes import Request, number
from onmeet_node.protocol.wire.fields import Text, field
from onmeet_node.protocol.wire.seat import MAX_LINK_CHARS

MAX_PROXY_CHARS = 300


@attrs.frozen(kw_only=True)
class ShowAccount(Request):
    """The seat's issuer, and the tokens that are left."""

    id: int = number()


@attrs.frozen(kw_only=True)
class EnterSeat(Request):
    """Takes a seat's link into use, and buys what is left of this week's tokens.

    `via`: the SOCKS proxy by which its issuer is asked from now on; "": none.
    """

    id: int = number()
    link: str = field(Text(1, MAX_LINK_CHARS), hidden=True)
    via: str = field(Text(0, MAX_PROXY_CHARS), default="")


@attrs.frozen(kw_only=True)
class BuyTokens(Request):
    """Buys what is left of this week's tokens now, not the day before the next week."""

    id: int = number()


@attrs.frozen(kw_only=True)
class LeaveAccount(Request):
    """Erases the seat and the tokens that are left, on this machine."""

    id: int = number()
