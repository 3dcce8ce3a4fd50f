"""docs/API.md: its tables are the code's (its examples run in test_api_examples.py).

`python tests/node/test_api.py` writes the tables anew.
"""

from __future__ import annotations

import enum
import inspect
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_type_hints

import attrs

from onmeet_node import events
from onmeet_node.call.effects import EndReason, State
from onmeet_node.config import Config
from onmeet_node.control import _HANDLERS, Request

API = Path(__file__).parents[2] / "docs" / "API.md"


def _kinds() -> Iterator[type[events.NodeEvent]]:
    # Not `__subclasses__`: there, `slots=True` leaves a shadow of each class.
    for value in vars(events).values():
        if isinstance(value, type) and issubclass(value, events.NodeEvent) and value.name:
            yield value


def _events() -> str:
    rows = ["| event | when | fields |", "|---|---|---|"]
    for kind in sorted(_kinds(), key=lambda kind: kind.name):
        fields = [n for n in get_type_hints(kind) if n not in {"at", "name"}]
        when = " ".join((kind.__doc__ or "").split())
        rows.append(f"| `{kind.name}` | {when} | {', '.join(f'`{n}`' for n in fields)} |")
    return "\n" + "\n".join(rows) + "\n"


def _config() -> str:
    rows = ["| field | default | what it does |", "|---|---|---|"]
    said = re.findall(r'^    (\w+): .*\n    """(.*)"""$', inspect.getsource(Config), re.M)
    assert [name for name, _ in said] == [f.name for f in attrs.fields(Config)]
    defaults = {f.name: f.default for f in attrs.fields(Config)}
    rows += [
        f"| `{name}` | {_toml(defaults[name])} | {text.replace('``', '`')} |"
        for name, text in said
        if name != "home"
    ]
    return "\n" + "\n".join(rows) + "\n"


def _toml(default: object) -> str:
    value = list(default) if isinstance(default, tuple) else default
    return "" if value is None else f"`{json.dumps(value)}`"


def _control() -> str:
    rows = ["| request | fields it reads | answer |", "|---|---|---|"]
    names = [f.name for f in attrs.fields(Request)]
    for name, handler in _HANDLERS.items():
        source = inspect.getsource(handler)
        read = [f"`{n}`" for n in names if re.search(rf"\brequest\.{n}\b", source)]
        rows.append(f"| `{name}` | {', '.join(read)} | {ANSWERS[name]} |")
    return "\n" + "\n".join(rows) + "\n"


def _fields() -> str:
    rows = ["| field | type | default |", "|---|---|---|"]
    for f in attrs.fields(Request):
        kind = f.type if isinstance(f.type, str) else getattr(f.type, "__name__", str(f.type))
        rows.append(f"| `{f.name}` | {kind.replace(' | ', ' or ')} | {_default(f.default)} |")
    return "\n" + "\n".join(rows) + "\n"


def _default(default: object) -> str:
    if default is attrs.NOTHING:
        return "required"
    return "`{}`" if isinstance(default, attrs.Factory) else f"`{json.dumps(default)}`"  # type: ignore[arg-type]


def _values(kind: type[enum.StrEnum]) -> str:
    return ", ".join(f"`{value}`" for value in kind)


ANSWERS = {
    "status": "the node: reachability, addresses, neighbours, calls with their counters",
    "watch": "events until the connection is closed",
    "code.new": "`label`, `uri`, `expires`, `direct`",
    "code.list": "the live codes",
    "code.revoke": "`{}`",
    "contacts.add": "the contact, and `delivered`: whether the request reached them",
    "contacts.list": "the contacts",
    "contacts.accept": "the contact",
    "contacts.block": "the contact as it was",
    "contacts.remove": "the contact as it was",
    "contacts.verify": "the contact with `safety_number`; `matches` marks it as verified",
    "profile": "the profile and who may see which field",
    "call": "events of the call, then the call; `seconds` counts from `connected`",
    "answer": "the call",
    "decline": "the call as it was",
    "hangup": "the call as it was",
    "mute": "the call",
    "history": "past calls, newest first",
    "history.delete": "`deleted`: how many; `call` is the start of an id, or `all`",
    "export": "`path` of the encrypted file",
    "doctor": "findings: `level` (`good`, `bad` …), `what`, `remedy`",
    "stop": "`{}`",
}


TABLES: dict[str, Callable[[], str]] = {
    "events": _events,
    "config": _config,
    "control": _control,
    "fields": _fields,
    "states": lambda: _values(State),
    "reasons": lambda: _values(EndReason),
}


def updated(text: str) -> str:
    """The document with its tables written anew."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        text = re.sub(f"{begin}.*?{end}", lambda _, t=table: begin + t() + end, text, flags=re.S)  # noqa: B023
    return text


def test_the_tables_are_those_of_the_code() -> None:
    text = API.read_text()
    assert text == updated(text), "run: python tests/node/test_api.py"


if __name__ == "__main__":
    API.write_text(updated(API.read_text()))
