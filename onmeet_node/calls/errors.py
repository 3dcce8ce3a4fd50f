"""What calls, and the list of past ones, refuse."""

from __future__ import annotations

from onmeet_node.errors import OnMeetError


class CallNotActive(OnMeetError):
    """There is no media in this call now: it is not accepted yet, or over."""


class ChatNotTaken(OnMeetError):
    """The other side's program takes no lines of chat; say it aloud."""


class StringNotComparable(OnMeetError):
    """There is no string, or their program cannot say what its person sees: compare the safety
    number.
    """


class NoSuchRecord(OnMeetError):
    """No single past call is meant."""
