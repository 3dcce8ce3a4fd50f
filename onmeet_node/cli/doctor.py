"""``onmeet doctor``: what will work from here, and what to do about what won't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from onmeet_node.cli.common import home_option, json_option, show
from onmeet_node.control.client import ask
from onmeet_node.control.requests.node import Examine

_MARKS = {"good": "✓", "poor": "!", "bad": "✗"}


@click.command("doctor")
@home_option
@json_option
def doctor_command(home: Path, *, as_json: bool) -> None:
    """Examines the running node: network, DHT, record, relays, media."""

    def text(result: list[dict[str, Any]]) -> None:
        for finding in result:
            click.echo(f"{_MARKS[finding['level']]} {finding['what']}")
            if finding["remedy"]:
                click.echo(f"  → {finding['remedy']}")

    findings = ask(home, Examine())
    show(findings, as_json=as_json, text=text)
    if any(finding["level"] == "bad" for finding in findings):
        raise SystemExit(1)
