"""``onmeet room``: several people at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from onmeet_node.cli.client import ask
from onmeet_node.cli.common import home_option, json_option, show, table


def _coming(command: Any) -> Any:
    """How one comes into a room: for making one and for joining one."""
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
        command = option(command)
    return command


def _in_room(command: Any) -> Any:
    return click.option("--room", default="", help="Title or start of its id, if in several.")(
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
    if room["string"]:
        locked = "  locked" if room["locked"] else ""
        click.echo(f"numbers to compare: {room['string']}{locked}")
    rows = (
        (
            person["name"] + (" (you)" if person["me"] else ""),
            person["role"],
            "you" if person["me"] else "here" if person["here"] else "not reached just now",
            "both ways"
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
        click.echo(f"{knocker['name']} knocks. Let them in: onmeet room admit {knocker['key'][:8]}")
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
    home: Path, title: str, *, standing: bool, knock: bool, as_json: bool, **coming: Any
) -> None:
    """Makes a room with you as its host. Your node holds it until you leave or end it."""
    if standing and not title:
        raise click.UsageError("A standing meeting needs a title.")
    result = ask(
        home,
        "room.create",
        title=title,
        label=title if standing else None,
        knock=knock,
        **_options(coming),
    )

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
def room_join(home: Path, which: str, *, as_json: bool, **coming: Any) -> None:
    """Takes an invitation (its title or id; the only one if none is said), or a room code."""
    code = which if which.startswith("onmeet-room:") else ""
    result = ask(home, "room.join", who="" if code else which, code=code, **_options(coming))
    show(result, as_json=as_json, text=_describe)


def _options(coming: dict[str, Any]) -> dict[str, Any]:
    record = coming.pop("record")
    return {**coming, "record": str(record.absolute()) if record else None}


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
                f"{invitation['from']} asks you into {invitation['title'] or 'a room'}: "
                f"onmeet room join {invitation['room'][:8]}"
            )
        for name in result["standing"]:
            click.echo(f"standing meeting: {name}")
        if not any(result.values()):
            click.echo("You are in no room. Make one with: onmeet room create")

    show(ask(home, "room.list"), as_json=as_json, text=text)


@room_command.command("invite")
@click.argument("who")
@_in_room
@home_option
@json_option
def room_invite(home: Path, who: str, room: str, *, as_json: bool) -> None:
    """Asks a person into your room."""

    def text(result: dict[str, Any]) -> None:
        if result["delivered"]:
            click.echo(f"{result['who']} has the invitation.")
        else:
            click.echo(f"{result['who']} cannot be reached just now. Try again later.")

    result = ask(home, "room.invite", who=who, label=room)
    show(result, as_json=as_json, text=text)


@room_command.command("lock")
@click.option("--off", is_flag=True, help="Unlock it.")
@_in_room
@home_option
@json_option
def room_lock(home: Path, room: str, *, off: bool, as_json: bool) -> None:
    """Nobody new comes in while it is locked."""
    result = ask(home, "room.lock", label=room, muted=not off)
    word = "It is open again." if off else "It is locked."
    show(result, as_json=as_json, text=lambda _: click.echo(word))


@room_command.command("leave")
@_in_room
@home_option
@json_option
def room_leave(home: Path, room: str, *, as_json: bool) -> None:
    """Leaves; if you are its host, somebody else carries it on."""
    result = ask(home, "room.end", label=room, close_link=False)
    show(result, as_json=as_json, text=lambda _: click.echo("You left. The others go on."))


@room_command.command("end")
@_in_room
@home_option
@json_option
def room_end(home: Path, room: str, *, as_json: bool) -> None:
    """Ends the room for everybody."""
    result = ask(home, "room.end", label=room, close_link=True)
    show(result, as_json=as_json, text=lambda _: click.echo("It is over for everybody."))


@room_command.command("say")
@click.argument("text")
@click.option("--to", default="", help="To this participant alone.")
@_in_room
@home_option
@json_option
def room_say(home: Path, text: str, to: str, room: str, *, as_json: bool) -> None:
    """Writes a line to everybody in the room."""
    result = ask(home, "room.say", title=text, who=to, label=room)
    show(result, as_json=as_json, text=lambda _: None)


@room_command.command("mute")
@click.option("--off", is_flag=True, help="Send it again.")
@click.option("--video", is_flag=True, help="The picture in place of the sound.")
@_in_room
@home_option
@json_option
def room_mute(home: Path, room: str, *, off: bool, video: bool, as_json: bool) -> None:
    """Stops sending your sound (or picture) to everybody."""
    kind = "video" if video else "audio"
    result = ask(home, "room.mute", label=room, kind=kind, muted=not off)
    show(result, as_json=as_json, text=_describe)


def _about(name: str, help_text: str, done: str) -> None:
    @room_command.command(name, help=help_text)
    @click.argument("who", default="" if name in {"admit", "deny"} else None)
    @_in_room
    @home_option
    @json_option
    def command(home: Path, who: str, room: str, *, as_json: bool) -> None:
        result = ask(home, "room.person", who=who, label=room, note=name)
        show(result, as_json=as_json, text=lambda r: click.echo(done.format(r["name"])))


_about("admit", "Lets somebody in who knocks.", "{} comes in.")
_about("deny", "Sends somebody away who knocks.", "{} is sent away.")
_about("remove", "Sends somebody out; to come back they must be admitted.", "{} is sent out.")
_about("ask-mute", "Asks somebody to mute themselves.", "{} is asked to mute.")
_about("promote", "Makes a member a co-host.", "{} is co-host.")
_about("demote", "Makes a co-host a member.", "{} is a member.")
_about("hide", "Refuses contact with somebody, who learns nothing of it.", "Hidden from {}.")
