"""What all commands share: ``--home``, ``--json``, and how results are shown."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from onmeet_node.config import default_home
from onmeet_node.control.shapes import Headless
from onmeet_node.process.suggestions import command
from onmeet_node.protocol.wire.messages import Kind

F = TypeVar("F", bound=Callable[..., Any])
V = TypeVar("V")


def home_option(command: F) -> F:
    """``--home DIR``, which is otherwise ONMEET_HOME or the platform's place."""
    option = click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        default=None,
        help="Where this node keeps its data. [env ONMEET_HOME]",
    )

    @functools.wraps(command)
    def wrapped(*args: Any, home: Path | None, **kwargs: Any) -> Any:
        return command(*args, home=(home or default_home()).absolute(), **kwargs)

    return option(wrapped)  # type: ignore[return-value]


def json_option(command: F) -> F:
    """``--json``: one JSON object per line for programs."""
    return click.option("--json", "as_json", is_flag=True, help="JSON lines for programs.")(command)


def show(result: Any, *, as_json: bool, text: Callable[[Any], None]) -> None:
    """Prints what a command did by itself, without a node: for a program or a person."""
    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False))
    else:
        text(result)


def show_answer(answer: Any, view: type[V], *, as_json: bool, text: Callable[[V], None]) -> None:
    """Prints what a node answered: for a program as it is, for a person as this view."""
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    from onmeet_node.control.as_json import from_json

    text(from_json(answer, view))


def table(
    title: str, columns: Iterable[str], rows: Iterable[Iterable[object]], *, empty: str
) -> None:
    """A table for a person; `empty` is said when there are no rows."""
    listed = [[str(cell) for cell in row] for row in rows]
    if not listed:
        click.echo(empty)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    shown = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in listed:
        shown.add_row(*(escape(cell) for cell in row))
    Console().print(shown)


def duration(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


@dataclass(frozen=True, slots=True)
class MediaChoice:
    """What a call sends, keeps and shows, as `media_options` say it."""

    kinds: tuple[Kind, ...]
    relay_only: bool
    headless: Headless | None


def with_media(command: F) -> F:
    """Gives a command its ``--audio-only``, ``--relay-only``, ``--source`` and ``--record`` as one
    `media`. A file may be named relative to here.
    """

    @functools.wraps(command)
    def wrapped(
        *args: Any,
        audio_only: bool,
        relay_only: bool,
        source: str | None,
        record: Path | None,
        **given: Any,
    ) -> Any:
        kept = str(record.absolute()) if record else None
        headless = Headless(source=source or None, record=kept) if source or record else None
        kinds = (Kind.AUDIO,) if audio_only else tuple(Kind)
        return command(*args, media=MediaChoice(kinds, relay_only, headless), **given)

    return wrapped  # type: ignore[return-value]


def media_options(command: F) -> F:
    """What a call sends, keeps and shows, as `media`: for making one and for taking one."""
    taken = with_media(command)
    for option in (
        click.option("--audio-only", is_flag=True, help="No video."),
        click.option(
            "--relay-only",
            is_flag=True,
            help="Media goes through a relay. To show them no address at all: onmeet settings.",
        ),
        click.option(
            "--source", default=None, help="test, none, devices, or a media file to send."
        ),
        click.option(
            "--record",
            type=click.Path(dir_okay=False, path_type=Path),
            default=None,
            help="File for what they send (.mkv .mp4 .webm .wav).",
        ),
    ):
        option(taken)
    return taken


def revoke_hint(label: str) -> str:
    """How to end a code by which unwelcome people come, in one step."""
    return "If those who came by it are unwelcome, take the code back: " + command(
        "onmeet", "code", "revoke", "--drop-requests", "--", label
    )
