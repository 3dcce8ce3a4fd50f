"""``onmeet doctor``: what will work from here, and what to do about what won't."""

from __future__ import annotations

from pathlib import Path

import click

from onmeet_node.cli.common import home_option, json_option, show_answer
from onmeet_node.control.client import ask
from onmeet_node.control.requests.node import Examine
from onmeet_node.findings import Finding

_MARKS = {"good": "✓", "poor": "!", "bad": "✗"}


@click.command("doctor")
@home_option
@json_option
def doctor_command(home: Path, *, as_json: bool) -> None:
    """Examines the running node: network, DHT, record, relays, media."""

    def text(result: list[Finding]) -> None:
        for finding in result:
            click.echo(f"{_MARKS[finding.level]} {finding.what}")
            if finding.remedy:
                click.echo(f"  → {finding.remedy}")

    findings = ask(home, Examine())
    show_answer(findings, list[Finding], as_json=as_json, text=text)
    if any(finding["level"] == "bad" for finding in findings):
        raise SystemExit(1)
