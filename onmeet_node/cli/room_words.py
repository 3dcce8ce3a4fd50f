"""What the ``onmeet room`` commands have in common: which room is meant, and how one is shown."""

from __future__ import annotations

from typing import Any

import click

from onmeet_node.cli.common import table
from onmeet_node.process.suggestions import below
from onmeet_node.rooms.views import RoomView, RoomWithMedia


def in_room(command: Any) -> Any:
    """``--room``, for who is in several."""
    return click.option("--room", default=None, help="Title or start of its id, if in several.")(
        command
    )


def describe(room: RoomView | RoomWithMedia) -> None:
    """A room for a person: who is in, what to compare, who knocks."""
    click.echo(f"{room.title or 'Room'}  {room.room.hex()[:8]}  {room.state}")
    if room.state == "in":
        locked = "  locked" if room.locked else ""
        numbers = room.string or "not yet, somebody is not reached"
        click.echo(f"numbers to compare: {numbers}{locked}")
    rows = (
        (
            person.name
            + (" (you)" if person.me else "")
            + (" (verified contact)" if person.verified else "")
            + (" (contact)" if person.identity and not person.verified else ""),
            person.role,
            "you" if person.me else "here" if person.here else "not reached just now",
            ""
            if person.me
            else "both ways"
            if person.media and person.seen
            else "you see them, they do not see you"
            if person.media
            else "they see you, you do not see them"
            if person.seen
            else "none yet",
            " ".join(word for word, on in (("hand", person.hand), ("muted", person.muted)) if on),
            person.key.hex()[:8],
        )
        for person in room.people
    )
    table("", ("name", "role", "now", "media", "", "key"), rows, empty="Nobody is in yet.")
    for knocker in room.knocking:
        click.echo(
            f"{knocker.name} knocks. Let them in:"
            + below(f"onmeet room admit {knocker.key.hex()[:8]}")
        )
    for warning in room.warnings:
        click.echo(f"! {warning}")
