"""What people read when a call is over: true, without jargon where it can be, and with a remedy."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onmeet_node.calls.sentences import Facts, ago, sentence
from onmeet_node.media.ice_report import IceReport, ServerReport
from onmeet_node.protocol.call.effects import EndReason

MINUTE, HOUR, DAY = 60, 3_600, 86_400


@pytest.mark.parametrize("outgoing", [True, False, None])
@pytest.mark.parametrize("reason", EndReason)
def test_every_reason_has_its_sentence_in_either_direction(
    reason: EndReason, outgoing: bool | None
) -> None:
    said = sentence(reason, outgoing=outgoing)
    assert said[0].isupper()
    assert said.endswith((".", "onmeet doctor"))


@given(st.sampled_from(EndReason), st.builds(Facts), st.none() | st.floats(0, 1e9))
def test_whatever_is_known_makes_one_sentence_with_a_remedy(
    reason: EndReason, facts: Facts, last_seen: float | None
) -> None:
    said = sentence(reason, facts=facts, last_seen=last_seen)
    assert "  " not in said
    assert ".." not in said
    if reason in {EndReason.MEDIA_FAILED, EndReason.NOT_REACHABLE}:
        assert re.search(r"onmeet (doctor|settings)", said), "what to do"


def test_who_took_the_call_is_said() -> None:
    failed = EndReason.MEDIA_FAILED
    assert sentence(failed, outgoing=True).startswith("They took the call, but no path")
    assert sentence(failed, outgoing=False).startswith("You took the call, but no path")
    assert sentence(failed).startswith("The call was accepted, but no path")


# ── why there was no path: what a report says, and what a person is told ────────────────────────
STUN = ServerReport("stun", worked=True)
NO_STUN = ServerReport("stun", worked=False, error="no answer")
TURN = ServerReport("turn/tls", worked=True)
WRONG_CLOCK = ServerReport(
    "turn/udp",
    worked=False,
    error="it refused our credentials (401): one of the clocks may be wrong",
)
NO_TURN = ServerReport("turn/udp", worked=False, error="no answer")
EXPIRED = ServerReport(
    "turn/tls", worked=False, error="its certificate was refused: it has expired"
)


@pytest.mark.parametrize(
    ("report", "cause", "remedy"),
    [
        (
            IceReport(remote=("host/udp",), servers=(STUN,), relay_only=True),
            "relay-only is on, and there is no TURN server",
            "onmeet settings --direct",
        ),
        (
            IceReport(servers=(WRONG_CLOCK,), relay_only=True),
            "could not be used: it refused our credentials (401): one of the clocks may be wrong",
            "onmeet doctor",
        ),
        (
            IceReport(local=("host/udp",), remote=("host/udp",), servers=(NO_STUN,)),
            "lets no UDP through, and there is no TURN server",
            "onmeet settings --add-bootstrap",
        ),
        (
            IceReport(remote=("host/udp",), servers=(NO_STUN, NO_TURN, EXPIRED)),
            "lets no UDP through, and the TURN server could not be used over TCP or TLS",
            "onmeet doctor",
        ),
        (
            IceReport(remote=("srflx/udp",), servers=(STUN, EXPIRED)),
            "the TURN server could not be used: its certificate was refused: it has expired",
            "onmeet doctor",
        ),
        (
            IceReport(remote=("srflx/udp",), servers=(STUN,)),
            "do not let each other through, and there is no TURN server",
            "onmeet settings --add-bootstrap",
        ),
        (
            IceReport(remote=("relay/udp", "relay/tls")),
            "do not let each other through, and there is no TURN server",
            "onmeet settings --add-bootstrap",
        ),
        (
            IceReport(local=("host/udp",), remote=("host/udp",)),
            "only addresses of this local network",
            "onmeet doctor",
        ),
        (IceReport(servers=(STUN, TURN)), "found no address to offer", "Ask them to run"),
        (
            IceReport(remote=("host/udp",), servers=(STUN, TURN)),
            "did not get through even to our TURN server",
            "Ask them to run",
        ),
    ],
)
def test_a_call_without_a_path_names_the_cause_and_the_remedy(
    report: IceReport, cause: str, remedy: str
) -> None:
    said = sentence(EndReason.MEDIA_FAILED, outgoing=True, facts=Facts.of(report))
    assert cause in said
    assert remedy in said


# ── not reachable ───────────────────────────────────────────────────────────────────────────────
def test_somebody_who_is_not_there_was_last_seen_some_time_ago() -> None:
    said = sentence(EndReason.NOT_REACHABLE, last_seen=3 * DAY + 5)
    assert said.startswith("None of their devices could be reached (last seen 3 days ago): ")
    assert "last seen" not in sentence(EndReason.NOT_REACHABLE)


def test_a_node_that_is_cut_off_itself_does_not_blame_the_other() -> None:
    said = sentence(EndReason.NOT_REACHABLE, facts=Facts(alone=True), last_seen=5)
    assert "Your own node reaches nobody" in said
    assert "their node" not in said


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "a moment ago"),
        (59.9, "a moment ago"),
        (MINUTE, "1 minute ago"),
        (59 * MINUTE, "59 minutes ago"),
        (HOUR, "1 hour ago"),
        (DAY - 1, "23 hours ago"),
        (DAY, "1 day ago"),
        (13 * DAY, "1 week ago"),
        (60 * DAY, "2 months ago"),
        (900 * DAY, "2 years ago"),
    ],
)
def test_times_are_told_as_people_tell_them(seconds: float, words: str) -> None:
    assert ago(seconds) == words
