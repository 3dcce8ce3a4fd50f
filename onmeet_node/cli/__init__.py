"""The ``onmeet`` command. Heavy imports happen inside the commands: help answers at once."""

from __future__ import annotations

import click

_COMMANDS = {
    "init": "home",
    "up": "home",
    "export": "home",
    "import": "home",
    "status": "talk",
    "code": "people",
    "contacts": "people",
    "profile": "people",
    "call": "calls",
    "answer": "calls",
    "decline": "calls",
    "hangup": "calls",
    "mute": "calls",
    "history": "calls",
    "doctor": "doctor",
    "demo": "demo",
}
"""Command → the module of this package that has it, imported when it is run."""


class _LazyGroup(click.Group):
    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        import importlib

        if name not in _COMMANDS:
            return None
        module = importlib.import_module(f"onmeet_node.cli.{_COMMANDS[name]}")
        command: click.Command = getattr(module, f"{name}_command")
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="onmeet-node", prog_name="onmeet")
def _onmeet() -> None:
    """End-to-end encrypted calls between your own machines, with no company in the middle.

    Begin with: onmeet init, then onmeet up. Give people a code (onmeet code new) and call them
    (onmeet call NAME).
    """


def main() -> None:
    """Runs the command line; every error a person sees is one message and exit code 1."""
    from onmeet_node.errors import OnMeetError

    try:
        _onmeet()
    except OnMeetError as error:
        click.echo(f"onmeet: {error}", err=True)
        raise SystemExit(1) from None
