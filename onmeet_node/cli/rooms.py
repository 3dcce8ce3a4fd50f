"""``onmeet room``: several people at once. How one comes in, asks others in, and leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from onmeet_node.cli.common import (
    MediaChoice,
    home_option,
    json_option,
    show_answer,
    with_media,
)
from onmeet_node.cli.meetings import MEETINGS
from onmeet_node.cli.room_inside import INSIDE
from onmeet_node.cli.room_words import describe, in_room
from onmeet_node.control.client import ask
from onmeet_node.control.requests.rooms import (
    ChangeRoom,
    InviteToRoom,
    JoinRoom,
    LinkToRoom,
    ListRooms,
    NewRoom,
    RoomAction,
)
from onmeet_node.control.views import InvitationSent, RoomCreated, RoomGuestLink, RoomList
from onmeet_node.process.suggestions import below
from onmeet_node.rooms.views import RoomView


def _coming(command: Any) -> Any:
    """How one comes into a room, as `name` and `media`: for making one and for joining one."""
    taken = with_media(command)
    for option in (
        click.option("--name", default=None, help="Your name there; else your profile's."),
        click.option("--audio-only", is_flag=True, help="No picture of yours."),
        click.option("--relay-only", is_flag=True, help="Media goes through relays alone."),
        click.option("--source", default=None, help="test, none, devices, or a file to send."),
        click.option(
            "--record",
            type=click.Path(file_okay=False, path_type=Path),
            default=None,
            help="Directory with a file for what each participant sends. Tell them.",
        ),
    ):
        option(taken)
    return taken


@click.group("room")
def room_command() -> None:
    """Rooms for several people: create, invite, join, list, lock, leave, end.

    Each pair of people is connected directly and end-to-end encrypted; nobody is in the middle.
    Compare the numbers that `onmeet room list` shows aloud: they are the same for everybody.
    """


for _command in (*MEETINGS, *INSIDE):
    room_command.add_command(_command)


@room_command.command("create")
@click.argument("title", default="")
@click.option("--standing", is_flag=True, help="A meeting that comes again: prints its room code.")
@click.option("--require-knock", "knock", is_flag=True, help="You admit each one, invited or not.")
@_coming
@home_option
@json_option
def room_create(
    home: Path,
    title: str,
    name: str | None,
    *,
    standing: bool,
    knock: bool,
    media: MediaChoice,
    as_json: bool,
) -> None:
    """Makes a room with you as its host. Your node holds it until you leave or end it."""
    if standing and not title:
        raise click.UsageError("A standing meeting needs a title.")
    request = NewRoom(
        title=title,
        standing=standing,
        knock=knock,
        kinds=media.kinds,
        name=name or None,
        relay_only=media.relay_only,
        headless=media.headless,
        settle=True,
    )
    result = ask(home, request)

    def text(made: RoomCreated) -> None:
        describe(made)
        if made.code:
            click.echo(made.code)
            click.echo("Whoever has this room code joins while you are in: onmeet room join CODE")
        else:
            click.echo("Ask people in with: onmeet room invite NAME", err=True)

    show_answer(result, RoomCreated, as_json=as_json, text=text)


@room_command.command("join")
@click.argument("which", default="")
@_coming
@home_option
@json_option
def room_join(
    home: Path, which: str, name: str | None, *, media: MediaChoice, as_json: bool
) -> None:
    """Takes an invitation (its title or id; the only one if none is said), or a room code."""
    is_code = which.startswith("onmeet-room:")
    request = JoinRoom(
        room=None if is_code else which or None,
        code=which if is_code else None,
        kinds=media.kinds,
        name=name or None,
        relay_only=media.relay_only,
        headless=media.headless,
        inside=True,
    )
    show_answer(ask(home, request), RoomView, as_json=as_json, text=describe)


@room_command.command("list")
@home_option
@json_option
def room_list(home: Path, *, as_json: bool) -> None:
    """The rooms you are in, invitations, and standing meetings."""

    def text(listed: RoomList) -> None:
        for room in listed.rooms:
            describe(room)
        for invitation in listed.invitations:
            click.echo(
                f"{invitation.from_} asks you into {invitation.title or 'a room'}:"
                + below(f"onmeet room join {invitation.room.hex()[:8]}")
            )
        for name in listed.standing:
            click.echo(f"standing meeting: {name}")
        if not (listed.rooms or listed.invitations or listed.standing):
            click.echo("You are in no room. Make one with: onmeet room create")

    show_answer(ask(home, ListRooms()), RoomList, as_json=as_json, text=text)


@room_command.command("invite")
@click.argument("who")
@in_room
@home_option
@json_option
def room_invite(home: Path, who: str, room: str | None, *, as_json: bool) -> None:
    """Asks a person into your room."""

    def text(sent: InvitationSent) -> None:
        if sent.delivered:
            click.echo(f"{sent.who} has the invitation.")
        else:
            click.echo(f"{sent.who} cannot be reached just now. Try again later.")

    result = ask(home, InviteToRoom(room=room, who=who))
    show_answer(result, InvitationSent, as_json=as_json, text=text)


@room_command.command("link")
@click.option("--let-in", is_flag=True, help="Guests come in without anybody admitting them.")
@in_room
@home_option
@json_option
def room_link(home: Path, room: str | None, *, let_in: bool, as_json: bool) -> None:
    """The link by which guests come into your room from a browser.

    It ends with the room; of a standing meeting it stays. Needs a bootstrap that lets guests in.
    """
    result = ask(home, LinkToRoom(room=room, knock=not let_in))
    show_answer(result, RoomGuestLink, as_json=as_json, text=lambda made: click.echo(made.url))


@room_command.command("leave")
@in_room
@home_option
@json_option
def room_leave(home: Path, room: str | None, *, as_json: bool) -> None:
    """Leaves; if you are its host, somebody else carries it on."""
    result = ask(home, ChangeRoom(room=room, action=RoomAction.LEAVE, settle=True))
    show_answer(
        result, RoomView, as_json=as_json, text=lambda _: click.echo("You left. The others go on.")
    )


@room_command.command("end")
@in_room
@home_option
@json_option
def room_end(home: Path, room: str | None, *, as_json: bool) -> None:
    """Ends the room for everybody."""
    result = ask(home, ChangeRoom(room=room, action=RoomAction.END, settle=True))
    show_answer(
        result, RoomView, as_json=as_json, text=lambda _: click.echo("It is over for everybody.")
    )
