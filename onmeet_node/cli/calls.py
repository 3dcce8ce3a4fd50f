"""``onmeet call``, ``answer``, ``decline``, ``hangup``, ``mute``, ``history``."""

from __future__ import annotations

import json
import signal
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import click

from onmeet_node.calls.sentences import when
from onmeet_node.calls.views import CallRecordView
from onmeet_node.cli.common import (
    MediaChoice,
    duration,
    home_option,
    json_option,
    media_options,
    revoke_hint,
    show_answer,
    table,
)
from onmeet_node.cli.string_words import about_string
from onmeet_node.control.client import CommandRefused, NoNodeRuns, ask, stream
from onmeet_node.control.requests.calls import (
    CallAction,
    ChangeCall,
    CompareString,
    DeleteHistory,
    DialAndFollow,
    MuteCall,
    ReadHistory,
    Take,
)
from onmeet_node.control.views import CallsDeleted
from onmeet_node.node.views import CallView
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.wire.messages import Kind

_SAID = {
    "dialing": "Looking for them…",
    "connecting": "Answered, connecting…",
    "reconnecting": "The connection broke; reconnecting…",
}
_FAILED = {"media-failed", "fault"}
_RINGS = {
    "delivered": "It has reached their device.",
    "alerting": "It is ringing.",
    "silenced": "They silenced the ring; they may still answer.",
}


@click.command("call")
@click.argument("who")
@click.option("--seconds", type=click.FloatRange(0.1, 86_400), help="Hang up after this long.")
@media_options
@home_option
@json_option
def call_command(
    home: Path, who: str, seconds: float | None, *, media: MediaChoice, as_json: bool
) -> None:
    """Calls WHO: a contact's name, the start of an identity, or a contact code.

    Runs until the call ends; Ctrl-C hangs up, a second one does not wait for its end. The exit code
    is 0 if the call was answered and did not fail, 1 if sound and picture failed, else 2.
    """
    request = DialAndFollow(
        who=who,
        kinds=media.kinds,
        relay_only=media.relay_only,
        hang_up_after=round(seconds * 1_000) if seconds is not None else None,
        headless=media.headless,
    )
    events = stream(home, request)
    hang_up = _HangUp(home)
    answered = failed = False
    previous = signal.signal(signal.SIGINT, hang_up.strike)
    try:
        for line in events:
            if "result" in line:
                break
            answered = answered or line["event"] == "accepted"
            failed = line["event"] == "ended" and line["reason"] in _FAILED
            if as_json:
                click.echo(json.dumps(line))
            else:
                _tell(line)
            hang_up.know(line.get("call"))
            if line["event"] == "ended":
                break  # the node itself may have been stopped, and says no more
    finally:
        signal.signal(signal.SIGINT, previous)
    raise SystemExit(1 if failed else 0 if answered else 2)


class _HangUp:
    """Ctrl-C in a call, whatever it is doing; how it ends is told by its own events."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._call: str | None = None
        self._wanted = False

    def strike(self, _signal: int, _frame: FrameType | None) -> None:
        """A signal handler."""
        if self._wanted:
            raise SystemExit(130)
        self._wanted = True
        if self._call is not None:
            self._ask()

    def know(self, call: str | None) -> None:
        """The call's id, as soon as it has one."""
        if call is None or call == self._call:
            return
        self._call = call
        if self._wanted:
            self._ask()

    def _ask(self) -> None:
        # It may be over by itself, or its node: what comes next in the stream says so.
        with suppress(CommandRefused, NoNodeRuns):
            ask(self._home, ChangeCall(call=self._call, action=CallAction.HANG_UP))


def _tell(line: dict[str, Any]) -> None:
    match line["event"]:
        case "state" if line["state"] in _SAID:
            click.echo(_SAID[line["state"]])
        case "sent":
            click.echo("The call is on its way to their device.")
        case "ringing":
            click.echo(_RINGS[line["ring"]])
        case "connected":
            click.echo(f"Connected, {line['path']}.")
        case "authenticated" | "compared":
            for told in about_string(line):
                click.echo(told)
        case "media":
            click.echo(f"Receiving {line['kind']}.")
        case "chat":
            click.echo(f"› {line['text']}")
        case "recording-stopped":
            click.echo(line["sentence"], err=True)
        case "ended":
            click.echo(line["sentence"])
            if line["seconds"]:
                click.echo(f"It lasted {duration(line['seconds'])}.")
        case _:
            pass  # events for programs


@click.command("answer")
@click.argument("call", required=False)
@media_options
@home_option
@json_option
def answer_command(home: Path, call: str | None, *, media: MediaChoice, as_json: bool) -> None:
    """Takes the ringing call (or CALL, the start of its id)."""
    request = Take(
        call=call,
        kinds=media.kinds if media.kinds != tuple(Kind) else None,  # else as they call
        relay_only=media.relay_only,
        headless=media.headless,
    )
    show_answer(
        ask(home, request),
        CallView,
        as_json=as_json,
        text=lambda call: click.echo(f"Answered {call.with_}."),
    )


@click.command("decline")
@click.argument("call", required=False)
@click.option("--note", help="A line for the caller (up to 280 characters).")
@home_option
@json_option
def decline_command(home: Path, call: str | None, *, note: str | None, as_json: bool) -> None:
    """Refuses the ringing call (or CALL, the start of its id)."""
    show_answer(
        ask(home, ChangeCall(call=call, action=CallAction.DECLINE, note=note or None)),
        CallView,
        as_json=as_json,
        text=lambda call: click.echo(f"Declined {call.with_}."),
    )


@click.command("hangup")
@click.argument("call", required=False)
@home_option
@json_option
def hangup_command(home: Path, call: str | None, *, as_json: bool) -> None:
    """Ends the call."""
    show_answer(
        ask(home, ChangeCall(call=call, action=CallAction.HANG_UP)),
        CallView,
        as_json=as_json,
        text=lambda call: click.echo(f"Ended the call with {call.with_}."),
    )


@click.command("compared")
@click.argument("call", required=False)
@click.option("--same/--different", required=True, help="What they read out, against yours.")
@home_option
@json_option
def compared_command(home: Path, call: str | None, *, same: bool, as_json: bool) -> None:
    """Says whether the other one reads out the number that you see in the call.

    A contact of whom both of you say that it is the same is verified.
    """
    show_answer(
        ask(home, CompareString(call=call, same=same)),
        CallView,
        as_json=as_json,
        text=lambda call: click.echo(
            f"{call.with_} will see that you said so."
            if same
            else "Somebody may stand between you: hang up, and compare the safety number."
        ),
    )


@click.command("mute")
@click.argument("call", required=False)
@click.option("--video", is_flag=True, help="The camera instead of the microphone.")
@click.option("--off", is_flag=True, help="Send again.")
@home_option
@json_option
def mute_command(home: Path, call: str | None, *, video: bool, off: bool, as_json: bool) -> None:
    """Stops sending sound (or picture) in the current call."""
    kind = Kind.VIDEO if video else Kind.AUDIO
    show_answer(
        ask(home, MuteCall(call=call, kind=kind, muted=not off)),
        CallView,
        as_json=as_json,
        text=lambda _: click.echo(f"{kind} is {'on' if off else 'off'}."),
    )


_PATHS = {
    MediaPath.HOST: "directly, on one network",
    MediaPath.SRFLX: "directly, through NAT",
    MediaPath.RELAY: "through a relay",
    None: "-",
}
_PLACES = {"ca": " in Canada", "de": " in Germany", None: ""}


def _path(call: CallRecordView) -> str:
    return _PATHS[call.path] + _PLACES.get(call.region, "")


def _tell_report(call: CallRecordView) -> None:
    """What ICE found and tried: kinds and outcomes, no addresses."""
    report = call.report
    if report is None:
        return
    click.echo(f"\nMedia of the call {call.call.hex()[:8]} ({call.with_}):")
    click.echo(f"  ours    {', '.join(report.local) or 'nothing'}")
    click.echo(f"  theirs  {', '.join(report.remote) or 'nothing'}")
    for pair in report.pairs:
        times = f" ×{pair.count}" if pair.count > 1 else ""
        click.echo(f"  {pair.local} ↔ {pair.remote}: {pair.state}{times}")
    for server in report.servers:
        click.echo(f"  server {server.kind}: {'worked' if server.worked else server.error}")


@click.command("history")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--verbose", is_flag=True, help="Reasons, paths and authentication strings.")
@click.option("--delete", "delete", metavar="CALL", default=None, help="Delete one call, or: all")
@home_option
@json_option
def history_command(
    home: Path, limit: int, delete: str | None, *, verbose: bool, as_json: bool
) -> None:
    """Past calls, newest first. They exist on this machine alone."""
    if delete is not None:
        show_answer(
            ask(home, DeleteHistory(call=None if delete == "all" else delete)),
            CallsDeleted,
            as_json=as_json,
            text=lambda result: click.echo(f"{result.deleted} deleted for good."),
        )
        return

    from onmeet_node.calls.kept_receipts import receipts_told

    def text(calls: list[CallRecordView]) -> None:
        columns = ["when", "", "with", "how it ended", "length"]
        if verbose:
            columns += ["path", "authentication", "call"]
        rows = []
        for call in calls:
            cells = [
                when(call.started),
                "→" if call.outgoing else "←",
                f"{call.with_}, by {call.code!r}" if call.code else call.with_,
                call.sentence if verbose else call.reason,
                duration(call.seconds),
            ]
            if verbose:
                cells += [_path(call), call.sas or "-", call.call.hex()[:8]]
            rows.append(cells)
        table("Calls", columns, rows, empty="No calls yet. Call somebody with: onmeet call NAME")
        for label in sorted({call.code for call in calls if call.code}):
            click.echo(revoke_hint(label))
        for call in calls if verbose else ():
            _tell_report(call)
            for line in receipts_told(call.receipts or ()):
                click.echo(f"{call.call.hex()[:8]}  {line}")

    answer = ask(home, ReadHistory(limit=limit))
    show_answer(answer, list[CallRecordView], as_json=as_json, text=text)
