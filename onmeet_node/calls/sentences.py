"""The plain sentence for each end reason: what happened and what to do about it (P14). Pure."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from onmeet_node.protocol.call.effects import EndReason

if TYPE_CHECKING:
    from onmeet_node.media.ice_report import IceReport

_SENTENCES = {
    EndReason.HUNG_UP: "You hung up.",
    EndReason.PEER_HUNG_UP: "The other side hung up.",
    EndReason.CANCELLED: "You cancelled the call before it was answered.",
    EndReason.MISSED: "You missed this call. Call back when it suits you.",
    EndReason.DECLINED: "You declined the call.",
    EndReason.PEER_DECLINED: "The call was declined.",
    EndReason.PEER_BUSY: "They are in another call. Try again later.",
    EndReason.BUSY: "It came while you were in another call. Call back when you are free.",
    EndReason.NO_ANSWER: (
        "It reached them, but nobody answered. They will see that you called; try again later."
    ),
    EndReason.ANSWERED_ELSEWHERE: "The call was answered on another device.",
    EndReason.SUPERSEDED: "You called each other at the same moment; the other call goes on.",
    EndReason.CONNECTION_LOST: (
        "The connection was lost and did not come back in time. Check the network and call again."
    ),
    EndReason.PEER_ERROR: (
        "The other side's program did something that it must not. Both of you should update."
    ),
    EndReason.SHUTDOWN: (
        "The call ended because On-Meet was stopped on one of the two devices. Call again when it "
        "runs again."
    ),
    EndReason.FAULT: (
        "An error in one of the two programs ended the call. Call again; if it happens again, "
        "both of you should update."
    ),
}

_ACCEPTED = {
    True: "They took the call",
    False: "You took the call",
    None: "The call was accepted",
}
_DOCTOR = "Run: onmeet doctor"
_LENDS_TURN = "a bootstrap that lends TURN (onmeet settings --add-bootstrap)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of why media found no path, and why nobody was reached."""

    relay_only: bool = False
    """We showed no address of our own."""
    had_stun: bool = False
    """A STUN server was known."""
    had_turn: bool = False
    """A TURN server was known."""
    turn_worked: bool = False
    """One of them lent us an address."""
    turn_error: str = ""
    """Why none did, in words that follow a colon; the first server's."""
    udp_failed: bool = False
    """Servers were asked over UDP, and none answered."""
    peer_relay_only: bool = False
    """The other side showed relayed addresses alone."""
    peer_silent: bool = False
    """The other side showed no address at all."""
    alone: bool = False
    """No bootstrap of ours answers, and nobody is on this network."""

    @classmethod
    def of(cls, report: IceReport, *, alone: bool = False) -> Self:
        """The facts in an ICE report."""
        turn = [server for server in report.servers if server.kind.startswith("turn")]
        udp = [server for server in report.servers if server.kind in {"stun", "turn/udp"}]
        refused = [server.error for server in turn if server.error]
        return cls(
            relay_only=report.relay_only,
            had_stun=any(server.kind == "stun" for server in report.servers),
            had_turn=bool(turn),
            turn_worked=any(server.worked for server in turn),
            turn_error=refused[0] if refused else "",
            udp_failed=bool(udp) and not any(server.worked for server in udp),
            peer_relay_only=bool(report.remote)
            and all(kind.startswith("relay") for kind in report.remote),
            peer_silent=not report.remote,
            alone=alone,
        )


def sentence(
    reason: EndReason,
    *,
    outgoing: bool | None = None,
    facts: Facts | None = None,
    last_seen: float | None = None,
) -> str:
    """What a person is told about how a call ended.

    `outgoing`: whether they had called, if known. `facts` name the cause where there is one.
    `last_seen`: how many seconds ago the peer's node was last heard of, for `NOT_REACHABLE`.
    """
    match reason:
        case EndReason.NOT_REACHABLE:
            return _not_reachable(facts or Facts(), last_seen)
        case EndReason.MEDIA_FAILED:
            accepted, why = _ACCEPTED[outgoing], _no_path(facts)
            return f"{accepted}, but no path for sound and picture was found: {why}"
        case _:
            return _SENTENCES[reason]


def own_fault(what: str) -> str:
    """What a person is told when something of their own ended the call; `what` is a sentence."""
    return f"The call ended because of something on this machine: {what}"


def stopped_there(*, answered: bool) -> str:
    """What a person is told whose own node runs on: the other's was stopped."""
    when = "in mid-call" if answered else "before anybody answered"
    return f"Their device was stopped {when}. Call again when On-Meet runs there again."


def ago(seconds: float) -> str:
    """How long ago, in the words of people: one unit, rounded down."""
    units = (
        ("year", 365 * 86_400),
        ("month", 30 * 86_400),
        ("week", 7 * 86_400),
        ("day", 86_400),
        ("hour", 3_600),
        ("minute", 60),
    )
    for unit, length in units:
        number = int(seconds // length)
        if number > 0:
            return f"{number} {unit}{'s' * (number > 1)} ago"
    return "a moment ago"


def when(seconds: float | None) -> str:
    """A moment (Unix seconds) in local time, to the minute."""
    if seconds is None:
        return "-"
    moment = datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M")


def _not_reachable(facts: Facts, last_seen: float | None) -> str:
    if facts.alone:
        return (
            "Your own node reaches nobody just now: no bootstrap answers. Check this machine's "
            f"network and call again. {_DOCTOR}"
        )
    seen = "" if last_seen is None else f" (last seen {ago(last_seen)})"
    return (
        f"None of their devices could be reached{seen}: their node is not running, or not "
        "connected. They will see that you called when both of you are next online. "
        "If this happens with everyone, run: onmeet doctor"
    )


def _no_path(facts: Facts | None) -> str:
    """The cause and the remedy, likeliest first; follows a colon."""
    if facts is None:
        return f"one of the two networks blocks it. {_DOCTOR}"
    why = facts.turn_error or "it did not answer"
    if facts.relay_only and not facts.had_turn:
        return (
            "relay-only is on, and there is no TURN server to go through. "
            f"Add {_LENDS_TURN}, or turn it off (onmeet settings --direct)."
        )
    if facts.relay_only and not facts.turn_worked:
        return (
            f"relay-only is on, and the TURN server could not be used: {why}. {_DOCTOR}"
            " - or turn it off (onmeet settings --direct)."
        )
    if facts.turn_worked:
        return _beyond_turn(facts)
    if facts.udp_failed and facts.had_turn:
        return (
            "this network lets no UDP through, and the TURN server could not be used over TCP or "
            f"TLS either: {why}. Try another network. {_DOCTOR}"
        )
    if facts.udp_failed:
        return (
            "this network lets no UDP through, and there is no TURN server to go through by TCP. "
            f"Try another network, or add {_LENDS_TURN}."
        )
    if facts.had_turn:
        return f"the TURN server could not be used: {why}. {_DOCTOR}"
    if facts.peer_relay_only or facts.had_stun:
        return (
            "the two networks do not let each other through, and there is no TURN server to go "
            f"through. Add {_LENDS_TURN}."
        )
    return (
        "no STUN or TURN server was known, so only addresses of this local network could be "
        f"tried. {_DOCTOR} - it says whether a bootstrap answers."
    )


def _beyond_turn(facts: Facts) -> str:
    if facts.peer_silent:
        return "the other side found no address to offer. Ask them to run: onmeet doctor"
    return (
        "the other side did not get through even to our TURN server, so its network is likely to "
        "block it. Ask them to run: onmeet doctor"
    )
