"""What guests, and the links they come by, refuse."""

from __future__ import annotations

from onmeet_node.errors import OnMeetError


class NoGateway(OnMeetError):
    """No bootstrap in use has a door for guests."""


class NoSuchLink(OnMeetError):
    """No single link is meant."""


class NoSuchGuest(OnMeetError):
    """No single guest is meant."""


class HostInCall(OnMeetError):
    """Nobody can be let in while another call is on."""
