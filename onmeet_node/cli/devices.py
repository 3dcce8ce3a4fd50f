"""``onmeet devices``: the devices of this person, and losing one."""

from __future__ import annotations

import json
from pathlib import Path

import click

from onmeet_node.calls.sentences import when
from onmeet_node.cli.common import home_option, json_option, show, show_answer, table
from onmeet_node.cli.home import with_keeper
from onmeet_node.contacts.own_devices import DeviceView
from onmeet_node.control.client import ask, stream
from onmeet_node.control.requests.devices import (
    AddDevice,
    ConfirmDevice,
    ListDevices,
    RevokeDevice,
)
from onmeet_node.control.views import DeviceRevoked
from onmeet_node.process.suggestions import command


@click.group("devices", invoke_without_command=True)
@home_option
@json_option
@click.pass_context
def devices_command(context: click.Context, home: Path, *, as_json: bool) -> None:
    """Your devices. Alone: shows them."""
    if context.invoked_subcommand is not None:
        return

    def text(result: list[DeviceView]) -> None:
        table(
            "Your devices",
            ("name", "since", "", "key"),
            ((row.name, _since(row), _what(row), row.key.hex()[:8]) for row in result),
            empty="This device is on no list of yours any more: it was revoked. Link it anew.",
        )

    show_answer(ask(home, ListDevices()), list[DeviceView], as_json=as_json, text=text)


def _since(row: DeviceView) -> str:
    return when(row.since) if row.since else "-"


def _what(row: DeviceView) -> str:
    parts = ("this one",) if row.here else ()
    return ", ".join((*parts, *(("holds your identity key",) if row.holds_identity else ())))


@devices_command.command("revoke")
@click.argument("name")
@home_option
@json_option
def devices_revoke(home: Path, name: str, *, as_json: bool) -> None:
    """Cuts a device off that is lost or sold: contacts refuse it from now on.

    Those who are not online yet refuse it once your node has met them. NAME: as onmeet devices
    shows it, or how its key begins.
    """

    def text(result: DeviceRevoked) -> None:
        click.echo(f"{result.device} is revoked. Keep this node running: your contacts are told.")
        for label in result.codes:
            there = command("onmeet", "code", "revoke", "--", label)
            click.echo(
                f"Until what it was lent runs out, within 30 days, it may still be found by the "
                f"code {label} by people who never met you. To end the code: {there}",
                err=True,
            )

    answer = ask(home, RevokeDevice(device=name))
    show_answer(answer, DeviceRevoked, as_json=as_json, text=text)


@devices_command.command("add")
@click.argument("code")
@click.option("--yes", is_flag=True, help="The words are the same: do not ask.")
@home_option
@json_option
def devices_add(home: Path, code: str, *, yes: bool, as_json: bool) -> None:
    """Links a new device, which shows CODE: there, onmeet link, or the app's first screen.

    Both show the same four words. If they differ, somebody stands between: say no.
    """
    from onmeet_node.control.as_json import from_json

    for line in stream(home, AddDevice(code=code)):
        if "result" in line:
            view = from_json(line["result"], DeviceView)
            if as_json:
                click.echo(json.dumps(line["result"], ensure_ascii=False))
            else:
                click.echo(f"{view.name} is linked. It gets your contacts as soon as it runs.")
        elif as_json:
            click.echo(json.dumps(line, ensure_ascii=False))
        if line.get("event") == "link-words":
            words = " ".join(line["words"])
            if not as_json:
                click.echo(f"{line['device']} shows: {words}")
            same = yes or as_json or click.confirm("Does it show the same words?", err=True)
            ask(home, ConfirmDevice(yes=same))


@click.command("link")
@click.option("--name", default=None, help="What this device is called; your others see it.")
@click.option("--bootstrap", "bootstraps", multiple=True, metavar="MULTIADDR",
              help="One that your other device uses: onmeet settings shows it there.")  # fmt: skip
@with_keeper
@home_option
@json_option
def link_command(
    home: Path,
    name: str | None,
    bootstraps: tuple[str, ...],
    keeper: str,
    passphrase_file: Path | None,
    *,
    as_json: bool,
) -> None:
    """Makes this device one of yours: shows a code for the device that you have already.

    Type the code there (onmeet devices add, or the app's settings), and compare the words that
    both show. Your identity key stays where it is.
    """
    from functools import partial

    import trio

    from onmeet_node.cli.home import new_unlock
    from onmeet_node.config import load_config
    from onmeet_node.contacts.linking import LINK_PREFIX
    from onmeet_node.contacts.own_devices import machine_name
    from onmeet_node.events import NodeEvent
    from onmeet_node.node.linking import link_home
    from onmeet_node.protocol.identity.code import qr_terminal

    async def tell(event: NodeEvent) -> None:
        shown = event.as_json()
        await trio.lowlevel.checkpoint()
        if as_json:
            click.echo(json.dumps(shown, ensure_ascii=False))
        elif shown["event"] == "link-offered":
            click.echo(qr_terminal(LINK_PREFIX + shown["code"]))
            click.echo(shown["code"])
            there = command("onmeet", "devices", "add", shown["code"])
            click.echo(f"\nOn your other device: {there}", err=True)
        else:
            click.echo(f"It should show the same words: {' '.join(shown['words'])}")

    config = load_config(home, flags={"bootstraps": bootstraps or None})
    unlock = new_unlock(keeper, passphrase_file)
    identity = trio.run(partial(link_home, config, unlock, name or machine_name(), tell))

    def text(_: object) -> None:
        click.echo(f"This device is linked, and its home is {config.home}.")
        click.echo("Start it with: onmeet up")

    show({"home": str(config.home), "identity": identity.hex()}, as_json=as_json, text=text)
