"""``onmeet init``, ``export``, ``import``: a person's home."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onmeet_node.cli.common import home_option, json_option, show
from onmeet_node.control.client import NoNodeRuns, ask
from onmeet_node.control.requests.node import Export
from onmeet_node.errors import OnMeetError

if TYPE_CHECKING:
    from onmeet_node.store.keys import Unlock


class NoPassphrase(OnMeetError):
    """A passphrase is needed and nobody is there to type it."""


def _passphrase(file: Path | None, *, confirm: bool, prompt: str = "Passphrase") -> str:
    if file is not None:
        try:
            with click.open_file(str(file)) as stream:
                return str(stream.readline()).rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise NoPassphrase(f"No passphrase can be read from {file}: {why}.") from error
    if not sys.stdin.isatty():
        raise NoPassphrase(
            "A passphrase is needed, and there is no terminal to type it on. "
            "Give a file (- for standard input): --passphrase-file FILE"
        )
    return str(click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True))


def unlock_of(home: Path, passphrase_file: Path | None, prompt: str = "Passphrase") -> Unlock:
    """What opens this home, as its header says."""
    from onmeet_node.store import KeyFile, Keyring, Passphrase, unlock_kind

    match unlock_kind(home):
        case "keyring":
            return Keyring()
        case "key-file":
            return KeyFile()
        case _:
            return Passphrase(_passphrase(passphrase_file, confirm=False, prompt=prompt))


passphrase_file_option = click.option(
    "--passphrase-file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    default=None,
    help="Read the passphrase from the first line of FILE (- is standard input).",
)


def new_unlock(keeper: str, passphrase_file: Path | None) -> Unlock:
    """What shall open a home that is made, by what `with_keeper` gave."""
    from onmeet_node.store import KeyFile, Keyring, Passphrase

    match keeper:
        case "keyring":
            return Keyring()
        case "key-file":
            return KeyFile()
        case _:
            return Passphrase(_passphrase(passphrase_file, confirm=passphrase_file is None))


_keeper = [
    click.option(
        "--passphrase", "keeper", flag_value="passphrase", default="passphrase",
        help="Ask for a passphrase at every start (the default).",
    ),
    click.option("--keyring", "keeper", flag_value="keyring", help="Let the OS keyring keep it."),
    click.option(
        "--key-file", "keeper", flag_value="key-file",
        help="Keep the key in a 0600 file: for bots and servers.",
    ),
    passphrase_file_option,
]  # fmt: skip


def with_keeper(command: Any) -> Any:
    """Gives a command that makes a home its ``--passphrase-file``, ``--key-file`` …"""
    for option in reversed(_keeper):
        command = option(command)
    return command


@click.command("init")
@click.option("--name", default=None, help="How you are called; others see it when you call.")
@with_keeper
@home_option
@json_option
def init_command(
    home: Path, name: str | None, keeper: str, passphrase_file: Path | None, *, as_json: bool
) -> None:
    """Makes a new identity and the encrypted database that holds it."""
    from onmeet_node.node.home import create_identity

    identity = create_identity(home, new_unlock(keeper, passphrase_file), name)

    def text(_: object) -> None:
        click.echo(f"Your identity is kept in {home}, encrypted.")
        click.echo("Start your node with: onmeet up")
        click.echo("Keep a copy of your identity somewhere safe: onmeet export FILE")

    show({"home": str(home), "identity": identity.hex()}, as_json=as_json, text=text)


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--export-passphrase-file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    default=None,
    help="Read the export's passphrase from FILE.",
)
@with_keeper
@home_option
@json_option
def import_command(
    home: Path,
    file: Path,
    export_passphrase_file: Path | None,
    keeper: str,
    passphrase_file: Path | None,
    *,
    as_json: bool,
) -> None:
    """Makes a home from an export: another machine, or after a loss."""
    from onmeet_node.store import import_home

    secret = _passphrase(export_passphrase_file, confirm=False, prompt="Passphrase of the export")
    unlock = new_unlock(keeper, passphrase_file)
    import_home(file, secret, home, unlock)
    show(
        {"home": str(home)},
        as_json=as_json,
        text=lambda _: click.echo(
            f"Imported into {home}. Start your node with: onmeet up\n"
            "It is one more device of yours, kept in step with the others. If the one that was "
            "exported is lost: onmeet devices revoke NAME"
        ),
    )


@click.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--export-passphrase-file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    default=None,
    help="Read the export's passphrase from FILE.",
)
@passphrase_file_option
@home_option
@json_option
def export_command(
    home: Path,
    file: Path,
    export_passphrase_file: Path | None,
    passphrase_file: Path | None,
    *,
    as_json: bool,
) -> None:
    """Writes everything this home holds to one encrypted FILE, for `onmeet import`."""
    secret = _passphrase(export_passphrase_file, confirm=True, prompt="Passphrase for the export")
    path = str(file.absolute())
    try:
        ask(home, Export(path=path, passphrase=secret))
    except NoNodeRuns:
        from onmeet_node.store import Passphrase, export_home, open_home

        with open_home(home, unlock_of(home, passphrase_file)) as store:
            export_home(store, file, Passphrase(secret))
    show(
        {"path": path},
        as_json=as_json,
        text=lambda _: click.echo(
            f"Written to {path}. Whoever has it and its passphrase is you: keep both apart."
        ),
    )
