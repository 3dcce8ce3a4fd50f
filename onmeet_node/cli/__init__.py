"""The ``onmeet`` command. Heavy imports happen inside the commands: help answers at once."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

_COMMANDS = {
    "init": ("home", "Makes a new identity and the encrypted home that holds it."),
    "link": ("devices", "Makes this device one of yours, beside one that you have."),
    "up": ("up", "Runs your node until Ctrl-C, and its app in your browser."),
    "open": ("up", "Opens another window of the app."),
    "status": ("status", "What the running node is doing."),
    "code": ("people", "Contact codes: new, list, revoke."),
    "contacts": ("people", "The people you know: add, list, accept, block, remove, verify."),
    "profile": ("people", "What others see of you, and who can reach you."),
    "devices": ("devices", "Your devices: list, add, revoke one that is lost."),
    "settings": ("settings", "Relays, region, bootstraps."),
    "account": ("account", "Tokens for relaying, where an operator sells or rations it."),
    "call": ("calls", "Calls somebody."),
    "answer": ("calls", "Takes the ringing call."),
    "decline": ("calls", "Refuses the ringing call."),
    "hangup": ("calls", "Ends the call."),
    "mute": ("calls", "Stops sending sound or picture."),
    "compared": ("calls", "Says whether both of you see the same number."),
    "invite": ("guests", "Links for guests with a browser: make one, list, close."),
    "guests": ("guests", "Who knocks, and who is in."),
    "admit": ("guests", "Lets a guest in."),
    "deny": ("guests", "Sends a guest away."),
    "guest-page": ("guests", "Whether an operator serves guests the published page."),
    "join": ("guests", "Joins a call by a guest link, without a browser."),
    "room": ("rooms", "Rooms for several people: create, join, invite, list, lock, end."),
    "history": ("calls", "Past calls."),
    "doctor": ("doctor", "What works from here, and what to do about what does not."),
    "export": ("home", "Writes everything this home holds to one encrypted file."),
    "import": ("home", "Makes a home from an export."),
    "demo": ("demo", "A bootstrap and two nodes on this machine, and a real call."),
}
"""Command → the module of this package that has it, and its line in the list of commands."""


class _LazyGroup(click.Group):
    """Imports a command when it is run; the list of commands needs none of them."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        import importlib

        if name not in _COMMANDS:
            return None
        module = importlib.import_module(f"onmeet_node.cli.{_COMMANDS[name][0]}")
        command: click.Command = getattr(module, f"{name.replace('-', '_')}_command")
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Runs a command. One that takes no Ctrl-C itself ends by it with status 130."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise SystemExit(130) from None

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="onmeet-node", prog_name="onmeet")
def _onmeet() -> None:
    """End-to-end encrypted calls between your own machines, with no company in the middle.

    Begin with: onmeet init, then onmeet up. Give people a code (onmeet code new) and call them
    (onmeet call NAME).
    """


def main() -> None:
    """Runs the command line; every error a person sees is one message and exit code 1.

    With ``--json`` a program reads it too, as the last line of what the command printed.
    """
    from onmeet_node.errors import OnMeetError

    try:
        _onmeet()
    except OnMeetError as error:
        _fail(error.kind, str(error))
    except ValueError as error:
        from onmeet_node.protocol.wire.fields import BadField

        if not isinstance(error, BadField):
            raise
        _fail("BadField", f"That {error.name.replace('_', ' ')} is not taken: it {error.wrong}.")


def _fail(kind: str, sentence: str) -> NoReturn:
    if "--json" in sys.argv:
        import json

        told = {"event": "error", "kind": kind, "message": sentence}
        click.echo(json.dumps(told, ensure_ascii=False))
    click.echo(f"onmeet: {sentence}", err=True)
    raise SystemExit(1) from None
