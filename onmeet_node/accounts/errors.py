"""What can go wrong when tokens are bought, in words a person can act on."""

from __future__ import annotations

from onmeet_node.errors import OnMeetError


class AccountError(OnMeetError):
    """Tokens were not bought. Never contains a seat's code."""


class BadProxy(AccountError):
    """What is no SOCKS proxy."""

    def __init__(self) -> None:
        super().__init__("--via takes a SOCKS proxy, as in socks5://127.0.0.1:9050.")


class AccountsMissing(AccountError):
    """What accounts need is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "Buying tokens needs what is not installed: pip install 'onmeet-node[accounts]'"
        )


class IssuerUnreachable(AccountError):
    """The issuer does not answer."""

    def __init__(self, issuer: str, why: str) -> None:
        super().__init__(
            f"{issuer} does not answer ({why}). It is tried again later; tokens that you have go "
            "on working."
        )


class IssuerRefused(AccountError):
    """The issuer said no; `reason` is its word for it."""

    def __init__(self, issuer: str, reason: str) -> None:
        text = _WHY.get(reason, "it gave a reason that this version does not know; update On-Meet")
        super().__init__(f"{issuer} sold nothing: {text}.")
        self.reason = reason


_WHY = {
    "no-seat": "the seat is unknown there, or has ended; ask who gave you its link",
    "allowance-used": "the week's tokens of this seat are bought already",
    "other-key": "its keys have changed; try again, and check this machine's clock",
    "busy": "it was asked too often; try again in a minute",
    "unavailable": "it is out of order just now; try again later",
    "bad-request": "it does not understand this version; update On-Meet",
}


class KeyNotShared(AccountError):
    """The key that tokens would be signed with is not, or not surely, everybody's."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"Nothing was bought: {why}. Tokens under a key that you alone are shown would tell "
            "who spends them. Ask the operator."
        )
