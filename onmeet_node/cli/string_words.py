"""What a command line says of a call's authentication string."""

from __future__ import annotations

from typing import Any

from onmeet_node.process.suggestions import below

_DOUBTS = {
    "missing": (
        "Their program said nothing to compare, so nobody can tell whether somebody stands between "
        "you. Compare the safety number, and have them update."
    ),
    "wrong": (
        "Their program changed its part of the number after it had promised another. Somebody may "
        "stand between you: hang up, and compare the safety number."
    ),
    "too-many": (
        "The connection was replaced too often in this call for a number that means something. "
        "Call again to compare one."
    ),
}


def about_string(event: dict[str, Any]) -> list[str]:
    """The lines for an event `authenticated` or `compared`."""
    if event["event"] == "authenticated":
        if event["sas"] is None:
            return [_DOUBTS[event["doubt"]]]
        return [f"Compare aloud: {event['sas']}"]
    match event["ours"], event["theirs"]:
        case (True, True):
            return ["Both of you see the same number."]
        case (_, False):
            return [
                "They see another number than you do: somebody may stand between you. Hang up, and "
                "compare the safety number."
            ]
        case (None, True):
            return [
                "They say that the number is the same. If it is, say so:"
                + below("onmeet compared --same")
            ]
        case _:
            return []
