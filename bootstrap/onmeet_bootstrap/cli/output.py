"""What all commands of an operator share: how results are said, and ``--home`` and ``--json``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class CommandOutput:
    """Lines for a person, or one JSON object per line for a program (`--json`)."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._say: Callable[[str], None] = click.echo

    @contextmanager
    def not_waiting(self) -> Iterator[Any]:
        """While the block runs, output waits for no reader; gives the handler for the log."""
        from onmeet_node.process.outlet import lines_missing, standard_outlets

        def missed(number: int) -> str:
            return self._line("missed-events", lines_missing(number), {"number": number})

        with standard_outlets(missed) as (outlet, handler):
            self._say = outlet.tell
            try:
                yield handler
            finally:
                self._say = click.echo

    def event(self, event: str, text: str, **values: object) -> None:
        """Says one thing that happened, with its values for a program."""
        self._say(self._line(event, text, values))

    def _line(self, event: str, text: str, values: Mapping[str, object]) -> str:
        if self.as_json:
            return json.dumps({"t": round(time.monotonic(), 6), "event": event, **values})
        return text

    def fail(self, error: Exception) -> None:
        """Says what went wrong, and ends the program with status 1."""
        if self.as_json:
            kind = getattr(error, "kind", type(error).__name__)
            self.event("error", "", kind=kind, message=str(error))
        else:
            click.echo(f"onmeet-bootstrap: {error}", err=True)
        sys.exit(1)


def options_of(variable: str, what: str) -> Callable[[F], F]:
    """``--home``, which `variable` of the environment names too, and ``--json``.

    `what`: that directory in words.
    """

    def add(command: F) -> F:
        as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
        home = click.option(
            "--home", type=click.Path(path_type=Path, file_okay=False), envvar=variable, help=what
        )
        return home(as_json(command))

    return add


common_options = options_of("ONMEET_BOOTSTRAP_HOME", "Directory of the configuration and the key.")
"""Of the commands of a bootstrap."""


def home_of(given: Path | None) -> Path:
    """The directory that was given, or this platform's."""
    from onmeet_bootstrap.config.file import default_home

    return (given or default_home()).absolute()
