"""Whose fault it is that a rule of the protocol was broken (h11's distinction)."""

from __future__ import annotations

from onmeet_node.errors import OnMeetError


class LocalProtocolError(OnMeetError):
    """We were about to break a rule, or somebody here asks for what the state does not allow.

    Nothing was sent or changed.
    """


class RemoteProtocolError(OnMeetError):
    """The other side broke a rule of the protocol: end what it has with us, keep the node."""
