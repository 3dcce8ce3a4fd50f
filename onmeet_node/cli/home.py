"""``onmeet init``, ``up``, ``export``, ``import``: a home and the node that runs in it."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onmeet_node.cli.client import NoNodeRuns, ask
from onmeet_node.cli.common import home_option, json_option, show
from onmeet_node.errors import OnMeetError, first

if TYPE_CHECKING:
    from onmeet_node.app import Node
    from onmeet_node.store.keys import Unlock


class NoPassphrase(OnMeetError):
    """A passphrase is needed and nobody is there to type it."""


def _passphrase(file: Path | None, *, confirm: bool, prompt: str = "Passphrase") -> str:
    if file is not None:
        with click.open_file(str(file)) as stream:
            return str(stream.readline()).rstrip("\r\n")
    if not sys.stdin.isatty():
        raise NoPassphrase(
            "A passphrase is needed, and there is no terminal to type it on. "
            "Give a file (- for standard input): --passphrase-file FILE"
        )
    return str(click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True))


def _unlock_of(home: Path, passphrase_file: Path | None, prompt: str = "Passphrase") -> Unlock:
    """What opens this home, as its header says."""
    from onmeet_node.store import KeyFile, Keyring, Passphrase, unlock_kind

    match unlock_kind(home):
        case "keyring":
            return Keyring()
        case "key-file":
            return KeyFile()
        case _:
            return Passphrase(_passphrase(passphrase_file, confirm=False, prompt=prompt))


_passphrase_file = click.option(
    "--passphrase-file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    default=None,
    help="Read the passphrase from the first line of FILE (- is standard input).",
)


def _new_unlock(keeper: str, passphrase_file: Path | None) -> Unlock:
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
    _passphrase_file,
]  # fmt: skip


def _with_keeper(command: Any) -> Any:
    for option in reversed(_keeper):
        command = option(command)
    return command


@click.command("init")
@click.option("--name", default=None, help="How you are called; others see it when you call.")
@_with_keeper
@home_option
@json_option
def init_command(
    home: Path, name: str | None, keeper: str, passphrase_file: Path | None, *, as_json: bool
) -> None:
    """Makes a new identity and the encrypted database that holds it."""
    import secrets

    from onmeet_node.identity.keys import IdentityKey
    from onmeet_node.profiles import change_profile
    from onmeet_node.store import create_home, open_home

    unlock = _new_unlock(keeper, passphrase_file)
    create_home(home, unlock, secrets.token_bytes(32), now=int(time.time()))
    with open_home(home, unlock) as store:
        change_profile(store, {"name": name} if name else {}, {})
        identity = IdentityKey.from_seed(store.identity.seed).public

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
@_with_keeper
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
    unlock = _new_unlock(keeper, passphrase_file)
    import_home(file, secret, home, unlock)
    show(
        {"home": str(home)},
        as_json=as_json,
        text=lambda _: click.echo(f"Imported into {home}. Start your node with: onmeet up"),
    )


@click.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--export-passphrase-file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    default=None,
    help="Read the export's passphrase from FILE.",
)
@_passphrase_file
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
        ask(home, "export", path=path, passphrase=secret)
    except NoNodeRuns:
        from onmeet_node.store import Passphrase, export_home, open_home

        with open_home(home, _unlock_of(home, passphrase_file)) as store:
            export_home(store, file, Passphrase(secret))
    show(
        {"path": path},
        as_json=as_json,
        text=lambda _: click.echo(
            f"Written to {path}. Whoever has it and its passphrase is you: keep both apart."
        ),
    )


@click.command("up")
@click.option("--auto-answer", is_flag=True, default=None, help="Take every call that rings.")
@click.option("--source", default=None, help="What calls send: test, none, devices, or a file.")
@click.option(
    "--record",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Directory for a recording of each call.",
)
@click.option("--bootstrap", "bootstraps", multiple=True, metavar="MULTIADDR")
@click.option("--listen", multiple=True, metavar="MULTIADDR")
@click.option("--lan/--no-lan", default=None, help="Find nodes on this network by mDNS.")
@_passphrase_file
@home_option
@json_option
def up_command(
    home: Path,
    passphrase_file: Path | None,
    bootstraps: tuple[str, ...],
    listen: tuple[str, ...],
    *,
    as_json: bool,
    **flags: Any,
) -> None:
    """Runs your node until Ctrl-C. Other commands talk to it meanwhile."""
    import trio

    from onmeet_node.config import load_config

    config = load_config(
        home, flags={**flags, "bootstraps": bootstraps or None, "listen": listen or None}
    )
    unlock = _unlock_of(home, passphrase_file)
    try:
        trio.run(_run, config, unlock, as_json)
    except* OnMeetError as errors:
        raise first(errors) from None


async def _run(config: Any, unlock: Unlock, as_json: bool) -> None:
    import trio

    from onmeet_node.app import open_node
    from onmeet_node.control import serve_control

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def until_signal() -> None:
                async for _ in signals:
                    nursery.cancel_scope.cancel()

            nursery.start_soon(until_signal)
            async with open_node(config=config, unlock=unlock) as node:
                with node.watch() as events, node.calls.ringer() as ringer:
                    await nursery.start(serve_control, node, config.socket)
                    nursery.start_soon(_take_calls, ringer, config.auto_answer)
                    _tell_started(node, as_json)
                    async for event in events:
                        _tell(node, event.as_json(), as_json)
            nursery.cancel_scope.cancel()


async def _take_calls(ringer: Any, auto_answer: bool) -> None:
    async for call in ringer:
        if auto_answer:
            call.accept()


def _tell_started(node: Node, as_json: bool) -> None:
    _tell(node, node.started.as_json(), as_json)


def _tell(node: Node, event: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(event))
        return
    match event["event"]:
        case "started":
            click.echo(f"Your node runs in {node.config.home}. Stop it with Ctrl-C.")
        case "reachable":
            click.echo("You can be called.")
        case "contact-request":
            name = event["card_name"] or event["identity"][:16]
            click.echo(f"{name} asks to be a contact: onmeet contacts accept {name!r}")
        case "contact-accepted":
            click.echo(f"{event['card_name'] or event['identity'][:16]} accepted you.")
        case "missed-call":
            click.echo(f"While you were away, {event['identity'][:16]} called.")
        case "incoming":
            name = event["contact"] or event["identity"][:16]
            click.echo(f"\a{name} is calling: onmeet answer  (or: onmeet decline)")
        case "connected":
            click.echo(f"Connected, {event['path']}. Compare aloud: {event['sas']}")
        case "ended":
            click.echo(event["sentence"])
        case _:
            pass  # events for programs
