"""What is done in a room: ``onmeet room hand``, ``look``, ``say`` …, and about one participant."""

from __future__ import annotations

from pathlib import Path

import click

from onmeet_node.cli.common import home_option, json_option, show, show_answer
from onmeet_node.cli.room_words import describe, in_room
from onmeet_node.control.client import ask
from onmeet_node.control.requests.rooms import (
    ChangeRoom,
    ChangeSeat,
    LookAt,
    MuteRoom,
    ReactInRoom,
    RoomAction,
    SayInRoom,
    SeatAction,
)
from onmeet_node.control.views import LineSaid, SeatChanged
from onmeet_node.protocol.wire.messages import Kind
from onmeet_node.protocol.wire.room import PictureSize
from onmeet_node.rooms.views import RoomView


@click.command("hand")
@click.option("--down", is_flag=True, help="Take it down.")
@in_room
@home_option
@json_option
def room_hand(home: Path, room: str | None, *, down: bool, as_json: bool) -> None:
    """Raises your hand: everybody sees that you would like to speak."""
    action = RoomAction.LOWER_HAND if down else RoomAction.RAISE_HAND
    result = ask(home, ChangeRoom(room=room, action=action))
    show_answer(result, RoomView, as_json=as_json, text=describe)


@click.command("look")
@click.argument("size", type=click.Choice(["none", "small", "large"]))
@click.option("--who", default=None, help="One participant; else everybody.")
@in_room
@home_option
@json_option
def room_look(home: Path, size: str, who: str | None, room: str | None, *, as_json: bool) -> None:
    """How large a picture you want to get: what nobody wants large costs its sender less.

    Small until you say so. For recorders: onmeet room look large
    """
    result = ask(home, LookAt(room=room, key=who, size=PictureSize(size)))
    show_answer(result, RoomView, as_json=as_json, text=describe)


@click.command("react")
@click.argument("emoji")
@in_room
@home_option
@json_option
def room_react(home: Path, emoji: str, room: str | None, *, as_json: bool) -> None:
    """Shows everybody one emoji for a moment."""
    result = ask(home, ReactInRoom(room=room, emoji=emoji))
    show(result, as_json=as_json, text=lambda _: None)


@click.command("lock")
@click.option("--off", is_flag=True, help="Unlock it.")
@in_room
@home_option
@json_option
def room_lock(home: Path, room: str | None, *, off: bool, as_json: bool) -> None:
    """Nobody new comes in while it is locked."""
    action = RoomAction.UNLOCK if off else RoomAction.LOCK
    result = ask(home, ChangeRoom(room=room, action=action))
    word = "It is open again." if off else "It is locked."
    show_answer(result, RoomView, as_json=as_json, text=lambda _: click.echo(word))


@click.command("say")
@click.argument("text")
@click.option("--to", default=None, help="To this participant alone.")
@in_room
@home_option
@json_option
def room_say(home: Path, text: str, to: str | None, room: str | None, *, as_json: bool) -> None:
    """Writes a line to everybody in the room."""

    def told(said: LineSaid) -> None:
        if said.missed:
            names = ", ".join(said.missed)
            click.echo(f"It may not have reached {names}. Write it again when they are back.")

    result = ask(home, SayInRoom(room=room, text=text, to=to))
    show_answer(result, LineSaid, as_json=as_json, text=told)


@click.command("mute")
@click.option("--off", is_flag=True, help="Send it again.")
@click.option("--video", is_flag=True, help="The picture in place of the sound.")
@in_room
@home_option
@json_option
def room_mute(home: Path, room: str | None, *, off: bool, video: bool, as_json: bool) -> None:
    """Stops sending your sound (or picture) to everybody."""
    kind = Kind.VIDEO if video else Kind.AUDIO
    result = ask(home, MuteRoom(room=room, kind=kind, muted=not off))
    show_answer(result, RoomView, as_json=as_json, text=describe)


def _about(name: str, help_text: str, done: str) -> click.Command:
    action = SeatAction(name)

    @click.command(name, help=help_text)
    @click.argument("who", required=action not in {SeatAction.ADMIT, SeatAction.DENY})
    @in_room
    @home_option
    @json_option
    def command(home: Path, who: str | None, room: str | None, *, as_json: bool) -> None:
        result = ask(home, ChangeSeat(room=room, key=who, action=action))
        show_answer(
            result,
            SeatChanged,
            as_json=as_json,
            text=lambda seat: click.echo(done.format(seat.name)),
        )

    return command


INSIDE = (
    room_hand,
    room_look,
    room_react,
    room_lock,
    room_say,
    room_mute,
    _about("admit", "Lets somebody in who knocks.", "{} comes in."),
    _about("deny", "Sends somebody away who knocks.", "{} is sent away."),
    _about("remove", "Sends somebody out; to come back they must be admitted.", "{} is sent out."),
    _about("ask-mute", "Asks somebody to mute themselves.", "{} is asked to mute."),
    _about("promote", "Makes a member a co-host.", "{} is co-host."),
    _about("demote", "Makes a co-host a member.", "{} is a member."),
    _about("hide", "Refuses contact with somebody, who learns nothing of it.", "Hidden from {}."),
    _about("show", "Takes that back.", "No longer hidden from {}."),
)
