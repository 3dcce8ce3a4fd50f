"""``onmeet room plan``, ``code``, ``forget``: meetings that come again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from onmeet_node.cli.common import home_option, json_option, show, show_answer
from onmeet_node.control.client import ask
from onmeet_node.control.requests.rooms import ForgetMeeting, MeetingCode, PlanMeeting, Repeats
from onmeet_node.control.views import MeetingPlan, RoomCode
from onmeet_node.errors import OnMeetError
from onmeet_node.process.ownership import create_own


class NotWritten(OnMeetError):
    """A file that the person asked for cannot be written."""


@click.command("plan")
@click.argument("title")
@click.option(
    "--start",
    required=True,
    type=click.DateTime(["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"]),
    help='When, in your own time: "2026-12-01 14:30".',
)
@click.option("--minutes", type=click.IntRange(1, 7 * 24 * 60), default=60, show_default=True)
@click.option("--repeats", type=click.Choice(["once", "daily", "weekly"]), default="once")
@click.option("--no-guests", is_flag=True, help="Without the link for guests.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="File for the calendar entry; - for standard output. Else named by the title.",
)
@home_option
@json_option
def room_plan(
    home: Path,
    title: str,
    start: Any,
    minutes: int,
    repeats: str,
    output: Path | None,
    *,
    no_guests: bool,
    as_json: bool,
) -> None:
    """Writes a standing meeting as a file for calendars (.ics), with what leads into it."""
    from tzlocal import get_localzone_name

    result = ask(
        home,
        PlanMeeting(
            title=title,
            start=int(start.timestamp()),
            zone=get_localzone_name(),
            minutes=minutes,
            repeats=Repeats(repeats),
            guests=not no_guests,
        ),
    )

    def text(plan: MeetingPlan) -> None:
        path = output or Path(plan.name)
        if str(path) == "-":
            click.echo(plan.calendar, nl=False)
            return
        _write(path, plan.calendar)
        click.echo(f"{path} is written. Begin the meeting in time: onmeet room create --standing")

    show_answer(result, MeetingPlan, as_json=as_json, text=text)


@click.command("code")
@click.argument("title")
@home_option
@json_option
def room_code(home: Path, title: str, *, as_json: bool) -> None:
    """The room code of a standing meeting of yours, made if there is none of this title."""
    result = ask(home, MeetingCode(title=title))
    show_answer(result, RoomCode, as_json=as_json, text=lambda made: click.echo(made.code))


@click.command("forget")
@click.argument("title")
@home_option
@json_option
def room_forget(home: Path, title: str, *, as_json: bool) -> None:
    """Forgets a standing meeting: its room code and its guest link lead nowhere any more."""
    result = ask(home, ForgetMeeting(title=title))
    show(result, as_json=as_json, text=lambda _: click.echo(f"{title} is forgotten."))


def _write(path: Path, text: str) -> None:
    try:
        with os.fdopen(create_own(path), "w", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise NotWritten(
            f"{path} cannot be written ({error.strerror}). Name another file with --output."
        ) from error


MEETINGS = (room_plan, room_code, room_forget)
