"""What calls, and the list of past ones, refuse."""

from __future__ import annotations

from onmeet_node.errors import OnMeetError


class CallNotActive(OnMeetError):
    """There is no media in this call now: it is not accepted yet, or over."""


class NoSuchRecord(OnMeetError):
    """No single past call is meant."""
