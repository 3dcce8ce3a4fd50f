"""docs/API.md: its examples run, and its tables are the code's.

`python tests/node/test_api.py` writes the tables anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import attrs
import pytest
import trio

from onmeet_node import events
from onmeet_node.config import Config
from onmeet_node.control import _HANDLERS
from onmeet_node.wire.messages import Kind
from tests.node.conftest import Start, befriend, connected, told, until

API = Path(__file__).parents[2] / "docs" / "API.md"


def _kinds() -> Iterator[type[events.NodeEvent]]:
    pending = [events.NodeEvent]
    while pending:
        kind = pending.pop(0)
        pending += kind.__subclasses__()
        if kind.name:
            yield kind


def _events() -> str:
    rows = ["| event | when | fields |", "|---|---|---|"]
    for kind in sorted(_kinds(), key=lambda kind: kind.name):
        fields = [n for n in get_type_hints(kind) if n not in {"at", "name"}]
        when = " ".join((kind.__doc__ or "").split())
        rows.append(f"| `{kind.name}` | {when} | {', '.join(f'`{n}`' for n in fields)} |")
    return "\n" + "\n".join(rows) + "\n"


def _config() -> str:
    rows = ["| field | default |", "|---|---|"]
    rows += [f"| `{f.name}` | `{f.default!r}` |" for f in attrs.fields(Config) if f.name != "home"]
    return "\n" + "\n".join(rows) + "\n"


def _control() -> str:
    return ", ".join(f"`{name}`" for name in _HANDLERS)


TABLES: dict[str, Callable[[], str]] = {"events": _events, "config": _config, "control": _control}


def updated(text: str) -> str:
    """The document with its tables written anew."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        text = re.sub(f"{begin}.*?{end}", lambda _, t=table: begin + t() + end, text, flags=re.S)  # noqa: B023
    return text


def example(name: str) -> dict[str, Any]:
    """The functions of one example, as it stands in the document."""
    (code,) = re.findall(rf"```python\n# example: {name}\n(.*?)```", API.read_text(), re.S)
    namespace: dict[str, Any] = {"trio": trio}
    exec(compile(code, f"API.md: {name}", "exec"), namespace)
    return namespace


def test_the_tables_are_those_of_the_code() -> None:
    text = API.read_text()
    assert text == updated(text), "run: python tests/node/test_api.py"


@pytest.mark.real
async def test_the_echo_bot_sends_back_what_it_hears(start: Start) -> None:
    alice, bot = await start("Alice"), await start("Bot")
    await befriend(alice, bot)
    with trio.fail_after(40), alice.watch() as heard:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(example("echo")["echo"], bot)
            async with alice.call("Bot") as call:
                await connected(call)
                kinds = {(await told(heard, "media"))["kind"] for _ in range(2)}
                assert kinds == {"audio", "video"}


@pytest.mark.real
async def test_the_recorder_keeps_what_it_is_sent(start: Start, tmp_path: Path) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    file = tmp_path / "bob.webm"
    async with bob.incoming() as ringing, trio.open_nursery() as nursery:
        with trio.fail_after(30):
            nursery.start_soon(example("recorder")["record"], alice, "Bob", file, 2.0)
            (await ringing.receive()).accept()
    await until(lambda: file.exists() and file.stat().st_size > 1000, "a recording")


@pytest.mark.real
async def test_the_answering_machine_records_when_nobody_picks_up(
    start: Start, tmp_path: Path
) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    machine = example("answering machine")["answering_machine"]
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            await machine(bob, tmp_path, patience=0.5, message=2.0)

        nursery.start_soon(run)
        async with alice.call("Bob") as call:
            await connected(call)
            with trio.fail_after(20):
                assert (await call.ended()).value == "peer-hung-up"
        await until(
            lambda: any(file.stat().st_size > 20_000 for file in tmp_path.glob("*.wav")),
            "a message",
        )
        nursery.cancel_scope.cancel()
    assert Kind.AUDIO in call.kinds


if __name__ == "__main__":
    API.write_text(updated(API.read_text()))
