"""``onmeet room``: several people at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from onmeet_node.cli.common import (
    MediaChoice,
    home_option,
    json_option,
    show,
    table,
    with_media,
)
from onmeet_node.control.client import ask
from onmeet_node.control.requests.rooms import (
    ChangeRoom,
    ChangeSeat,
    ForgetMeeting,
    InviteToRoom,
    JoinRoom,
    LinkToRoom,
    ListRooms,
    LookAt,
    MeetingCode,
    MuteRoom,
    NewRoom,
    PlanMeeting,
    ReactInRoom,
    Repeats,
    RoomAction,
    SayInRoom,
    SeatAction,
)
from onmeet_node.errors import OnMeetError
from onmeet_node.process.ownership import create_own
from onmeet_node.process.suggestions import below
from onmeet_node.protocol.wire.messages import Kind
from onmeet_node.protocol.wire.room import PictureSize


class NotWritten(OnMeetError):
    """A file that the person asked for cannot be written."""


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


def _in_room(command: Any) -> Any:
    return click.option("--room", default=None, help="Title or start of its id, if in several.")(
        command
    )


@click.group("room")
def room_command() -> None:
    """Rooms for several people: create, invite, join, list, lock, leave, end.

    Each pair of people is connected directly and end-to-end encrypted; nobody is in the middle.
    Compare the numbers that `onmeet room list` shows aloud: they are the same for everybody.
    """


def _describe(room: dict[str, Any]) -> None:
    click.echo(f"{room['title'] or 'Room'}  {room['room'][:8]}  {room['state']}")
    if room["state"] == "in":
        locked = "  locked" if room["locked"] else ""
        numbers = room["string"] or "not yet, somebody is not reached"
        click.echo(f"numbers to compare: {numbers}{locked}")
    rows = (
        (
            person["name"]
            + (" (you)" if person["me"] else "")
            + (" (verified contact)" if person["verified"] else "")
            + (" (contact)" if person["identity"] and not person["verified"] else ""),
            person["role"],
            "you" if person["me"] else "here" if person["here"] else "not reached just now",
            ""
            if person["me"]
            else "both ways"
            if person["media"] and person["seen"]
            else "you see them, they do not see you"
            if person["media"]
            else "they see you, you do not see them"
            if person["seen"]
            else "none yet",
            " ".join(
                word for word, on in (("hand", person["hand"]), ("muted", person["muted"])) if on
            ),
            person["key"][:8],
        )
        for person in room["people"]
    )
    table("", ("name", "role", "now", "media", "", "key"), rows, empty="Nobody is in yet.")
    for knocker in room["knocking"]:
        click.echo(
            f"{knocker['name']} knocks. Let them in:"
            + below(f"onmeet room admit {knocker['key'][:8]}")
        )
    for warning in room["warnings"]:
        click.echo(f"! {warning}")


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

    def text(made: dict[str, Any]) -> None:
        _describe(made)
        if made["code"]:
            click.echo(made["code"])
            click.echo("Whoever has this room code joins while you are in: onmeet room join CODE")
        else:
            click.echo("Ask people in with: onmeet room invite NAME", err=True)

    show(result, as_json=as_json, text=text)


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
    show(ask(home, request), as_json=as_json, text=_describe)


@room_command.command("list")
@home_option
@json_option
def room_list(home: Path, *, as_json: bool) -> None:
    """The rooms you are in, invitations, and standing meetings."""

    def text(result: dict[str, Any]) -> None:
        for room in result["rooms"]:
            _describe(room)
        for invitation in result["invitations"]:
            click.echo(
                f"{invitation['from']} asks you into {invitation['title'] or 'a room'}:"
                + below(f"onmeet room join {invitation['room'][:8]}")
            )
        for name in result["standing"]:
            click.echo(f"standing meeting: {name}")
        if not any(result.values()):
            click.echo("You are in no room. Make one with: onmeet room create")

    show(ask(home, ListRooms()), as_json=as_json, text=text)


@room_command.command("invite")
@click.argument("who")
@_in_room
@home_option
@json_option
def room_invite(home: Path, who: str, room: str | None, *, as_json: bool) -> None:
    """Asks a person into your room."""

    def text(result: dict[str, Any]) -> None:
        if result["delivered"]:
            click.echo(f"{result['who']} has the invitation.")
        else:
            click.echo(f"{result['who']} cannot be reached just now. Try again later.")

    result = ask(home, InviteToRoom(room=room, who=who))
    show(result, as_json=as_json, text=text)


@room_command.command("link")
@click.option("--let-in", is_flag=True, help="Guests come in without anybody admitting them.")
@_in_room
@home_option
@json_option
def room_link(home: Path, room: str | None, *, let_in: bool, as_json: bool) -> None:
    """The link by which guests come into your room from a browser.

    It ends with the room; of a standing meeting it stays. Needs a bootstrap that lets guests in.
    """
    result = ask(home, LinkToRoom(room=room, knock=not let_in))
    show(result, as_json=as_json, text=lambda made: click.echo(made["url"]))


@room_command.command("plan")
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
    path = output or Path(result["name"])
    if not as_json and str(path) != "-":
        _write(path, result["calendar"])

    def text(_: dict[str, Any]) -> None:
        if str(path) == "-":
            click.echo(result["calendar"], nl=False)
        else:
            click.echo(
                f"{path} is written. Begin the meeting in time: onmeet room create --standing"
            )

    show(result, as_json=as_json, text=text)


@room_command.command("code")
@click.argument("title")
@home_option
@json_option
def room_code(home: Path, title: str, *, as_json: bool) -> None:
    """The room code of a standing meeting of yours, made if there is none of this title."""
    result = ask(home, MeetingCode(title=title))
    show(result, as_json=as_json, text=lambda made: click.echo(made["code"]))


@room_command.command("forget")
@click.argument("title")
@home_option
@json_option
def room_forget(home: Path, title: str, *, as_json: bool) -> None:
    """Forgets a standing meeting: its room code and its guest link lead nowhere any more."""
    result = ask(home, ForgetMeeting(title=title))
    show(result, as_json=as_json, text=lambda _: click.echo(f"{title} is forgotten."))


@room_command.command("hand")
@click.option("--down", is_flag=True, help="Take it down.")
@_in_room
@home_option
@json_option
def room_hand(home: Path, room: str | None, *, down: bool, as_json: bool) -> None:
    """Raises your hand: everybody sees that you would like to speak."""
    action = RoomAction.LOWER_HAND if down else RoomAction.RAISE_HAND
    result = ask(home, ChangeRoom(room=room, action=action))
    show(result, as_json=as_json, text=_describe)


@room_command.command("look")
@click.argument("size", type=click.Choice(["none", "small", "large"]))
@click.option("--who", default=None, help="One participant; else everybody.")
@_in_room
@home_option
@json_option
def room_look(home: Path, size: str, who: str | None, room: str | None, *, as_json: bool) -> None:
    """How large a picture you want to get: what nobody wants large costs its sender less.

    Small until you say so. For recorders: onmeet room look large
    """
    result = ask(home, LookAt(room=room, key=who, size=PictureSize(size)))
    show(result, as_json=as_json, text=_describe)


@room_command.command("react")
@click.argument("emoji")
@_in_room
@home_option
@json_option
def room_react(home: Path, emoji: str, room: str | None, *, as_json: bool) -> None:
    """Shows everybody one emoji for a moment."""
    result = ask(home, ReactInRoom(room=room, emoji=emoji))
    show(result, as_json=as_json, text=lambda _: None)


@room_command.command("lock")
@click.option("--off", is_flag=True, help="Unlock it.")
@_in_room
@home_option
@json_option
def room_lock(home: Path, room: str | None, *, off: bool, as_json: bool) -> None:
    """Nobody new comes in while it is locked."""
    action = RoomAction.UNLOCK if off else RoomAction.LOCK
    result = ask(home, ChangeRoom(room=room, action=action))
    word = "It is open again." if off else "It is locked."
    show(result, as_json=as_json, text=lambda _: click.echo(word))


@room_command.command("leave")
@_in_room
@home_option
@json_option
def room_leave(home: Path, room: str | None, *, as_json: bool) -> None:
    """Leaves; if you are its host, somebody else carries it on."""
    result = ask(home, ChangeRoom(room=room, action=RoomAction.LEAVE, settle=True))
    show(result, as_json=as_json, text=lambda _: click.echo("You left. The others go on."))


@room_command.command("end")
@_in_room
@home_option
@json_option
def room_end(home: Path, room: str | None, *, as_json: bool) -> None:
    """Ends the room for everybody."""
    result = ask(home, ChangeRoom(room=room, action=RoomAction.END, settle=True))
    show(result, as_json=as_json, text=lambda _: click.echo("It is over for everybody."))


@room_command.command("say")
@click.argument("text")
@click.option("--to", default=None, help="To this participant alone.")
@_in_room
@home_option
@json_option
def room_say(home: Path, text: str, to: str | None, room: str | None, *, as_json: bool) -> None:
    """Writes a line to everybody in the room."""

    def told(result: dict[str, Any]) -> None:
        if result["missed"]:
            names = ", ".join(result["missed"])
            click.echo(f"It may not have reached {names}. Write it again when they are back.")

    result = ask(home, SayInRoom(room=room, text=text, to=to))
    show(result, as_json=as_json, text=told)


@room_command.command("mute")
@click.option("--off", is_flag=True, help="Send it again.")
@click.option("--video", is_flag=True, help="The picture in place of the sound.")
@_in_room
@home_option
@json_option
def room_mute(home: Path, room: str | None, *, off: bool, video: bool, as_json: bool) -> None:
    """Stops sending your sound (or picture) to everybody."""
    kind = Kind.VIDEO if video else Kind.AUDIO
    result = ask(home, MuteRoom(room=room, kind=kind, muted=not off))
    show(result, as_json=as_json, text=_describe)


def _about(name: str, help_text: str, done: str) -> None:
    action = SeatAction(name)

    @room_command.command(name, help=help_text)
    @click.argument("who", required=action not in {SeatAction.ADMIT, SeatAction.DENY})
    @_in_room
    @home_option
    @json_option
    def command(home: Path, who: str | None, room: str | None, *, as_json: bool) -> None:
        result = ask(home, ChangeSeat(room=room, key=who, action=action))
        show(result, as_json=as_json, text=lambda r: click.echo(done.format(r["name"])))


_about("admit", "Lets somebody in who knocks.", "{} comes in.")
_about("deny", "Sends somebody away who knocks.", "{} is sent away.")
_about("remove", "Sends somebody out; to come back they must be admitted.", "{} is sent out.")
_about("ask-mute", "Asks somebody to mute themselves.", "{} is asked to mute.")
_about("promote", "Makes a member a co-host.", "{} is co-host.")
_about("demote", "Makes a co-host a member.", "{} is a member.")
_about("hide", "Refuses contact with somebody, who learns nothing of it.", "Hidden from {}.")
_about("show", "Takes that back.", "No longer hidden from {}.")


def _write(path: Path, text: str) -> None:
    try:
        with os.fdopen(create_own(path), "w", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise NotWritten(
            f"{path} cannot be written ({error.strerror}). Name another file with --output."
        ) from error
