"""``onmeet status``."""

from __future__ import annotations

from pathlib import Path

import click

from onmeet_node.cli.common import home_option, json_option, show_answer
from onmeet_node.control.client import ask
from onmeet_node.control.requests.node import ShowStatus
from onmeet_node.node.views import NodeStatus


@click.command("status")
@home_option
@json_option
def status_command(home: Path, *, as_json: bool) -> None:
    """What the running node is doing: reachability, neighbours, calls."""

    def text(result: NodeStatus) -> None:
        reachable = "yes" if result.reachable else "not yet: no record is published"
        click.echo(f"Reachable     {reachable}")
        click.echo(f"Bootstraps    {result.bootstraps} connected")
        click.echo(f"DHT nodes     {result.dht_peers} known")
        click.echo(f"Channels      {result.channels} open")
        click.echo(f"Contacts      {result.contacts} ({result.requests} asking)")
        for address in result.addresses:
            click.echo(f"Listening on  {address}")
        for call in result.calls:
            click.echo(f"Call          {call.with_}: {call.state} {call.path or ''}")
        for party, times in result.faults.items():
            often = "one error" if times == 1 else f"{times} errors"
            click.echo(f"Errors        {often} in: {party}. Nothing else was touched; see the log.")

    show_answer(ask(home, ShowStatus()), NodeStatus, as_json=as_json, text=text)
