"""``onmeet settings``: what holds for all calls and for the way into the network."""

from __future__ import annotations

from pathlib import Path

import click

from onmeet_node.cli.common import home_option, json_option, show_answer
from onmeet_node.control.client import ask
from onmeet_node.control.requests.node import ChangeSettings
from onmeet_node.node.views import NodeSettings

_REGIONS = {"ca": "Canada only", "de": "Germany only", None: "any"}


@click.command("settings")
@click.option(
    "--relay-only/--direct",
    default=None,
    help="Show nobody but your bootstraps an address: all goes through them. Holds at once.",
)
@click.option(
    "--region",
    type=click.Choice(["ca", "de", "any"]),
    default=None,
    help="Use bootstraps of this region alone. From the next start on.",
)
@click.option("--add-bootstrap", metavar="MULTIADDR", default=None, help="Use it from now on.")
@click.option("--remove-bootstrap", metavar="MULTIADDR", default=None, help="From the next start.")
@home_option
@json_option
def settings_command(
    home: Path,
    region: str | None,
    add_bootstrap: str | None,
    remove_bootstrap: str | None,
    *,
    relay_only: bool | None,
    as_json: bool,
) -> None:
    """Shows the settings, and changes those that are given."""

    def text(result: NodeSettings) -> None:
        media = "always through a relay" if result.relay_only else "directly where it can"
        click.echo(f"Media       {media}")
        click.echo(f"Region      {_REGIONS[result.region]}")
        for address in result.bootstraps or ("none of your own",):
            click.echo(f"Bootstrap   {address}")

    result = ask(
        home,
        ChangeSettings(
            relay_only=relay_only,
            region=region,
            add_bootstrap=add_bootstrap,
            remove_bootstrap=remove_bootstrap,
        ),
    )
    show_answer(result, NodeSettings, as_json=as_json, text=text)
