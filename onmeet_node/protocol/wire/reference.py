"""The message tables of docs/PROTOCOL.md, written from the classes so that they cannot go stale.

`python tests/protocol/wire/test_reference.py` writes what stands between `BEGIN` and `END` anew; as
a test, that file compares.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any, get_args

import attrs

from onmeet_node.protocol.wire import bootstrap_api, door, mailbox, messages, room
from onmeet_node.protocol.wire.fields import SHAPE, Maybe, Nested, Several, type_name

BEGIN = "<!-- messages:begin -->"
END = "<!-- messages:end -->"


def message_tables() -> str:
    """All messages, their fields, types, ranges and defaults, as Markdown."""
    sections = (
        ("Channel messages", get_args(messages.Message)),
        ("Inside a signed roster", (room.RosterBody,)),
        ("Questions to a bootstrap", get_args(bootstrap_api.Request)),
        ("Answers of a bootstrap", get_args(bootstrap_api.Answer)),
        ("Inside a signed description", (bootstrap_api.Description,)),
        ("Inside a signed receipt", (bootstrap_api.Receipt,)),
        ("A host to a gateway", (door.OpenDoor,)),
        ("A gateway to a host", (door.DoorOpened,)),
        ("A node to a mailbox", get_args(mailbox.MailboxRequest)),
        ("A mailbox to a node", _own(mailbox.MailboxAnswer)),
        ("In letters of a spoken code", get_args(mailbox.SpokenLetter)),
    )
    lines: list[str] = []
    for title, union in sections:
        classes = [cls for cls in union if cls is not messages.Unknown]
        lines += [f"### {title}", "", "| `t` | key | type and range | if absent |"]
        lines += ["|---|---|---|---|", *_rows(classes, named=True), ""]
        if maps := _nested(classes):
            lines += ["Maps inside them:", "", "| map | key | type and range | if absent |"]
            lines += ["|---|---|---|---|", *_rows(maps, named=False), ""]
    return "\n".join(lines)


def _own(answers: Any) -> tuple[type, ...]:
    """Without what bootstraps answer to other questions as well."""
    return tuple(cls for cls in get_args(answers) if cls is not bootstrap_api.Refused)


def update(document: str) -> str:
    """The document with the tables between its markers. Raises ValueError if it has no markers."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"The document needs the lines {BEGIN} and {END}, in this order.")
    return f"{before}{begin}\n{message_tables()}{end}{after}"


def _rows(classes: Iterable[type], *, named: bool) -> Iterator[str]:
    for cls in classes:
        name = f"`{type_name(cls)}`" if named else cls.__name__
        purpose = (inspect.getdoc(cls) or "").split("\n\n")[0].replace("\n", " ")
        yield f"| **{name}** | | {purpose.replace('``', '`')} | |"
        for attribute in attrs.fields(cls):
            shape = attribute.metadata[SHAPE].describe()
            yield f"| | `{attribute.name}` | {shape} | {_default(attribute)} |"


def _default(attribute: attrs.Attribute[Any]) -> str:
    match attribute.default:
        case attrs.NOTHING:
            return "malformed"
        case None:
            return "nil"
        case bool() as flag:
            return str(flag).lower()
        case tuple() as several:
            return "[" + ", ".join(map(str, several)) + "]"
        case int() | str() as value:
            return str(value) or '""'
        case _:
            return "{}"


def _nested(classes: Iterable[type]) -> list[type]:
    found: dict[type, None] = {}
    waiting = list(classes)
    while waiting:
        inside = []
        for cls in waiting:
            for attribute in attrs.fields(cls):
                shape = attribute.metadata[SHAPE]
                shape = shape.shape if isinstance(shape, Maybe) else shape
                shape = shape.element if isinstance(shape, Several) else shape
                if isinstance(shape, Nested) and shape.of not in found:
                    found[shape.of] = None
                    inside.append(shape.of)
        waiting = inside
    return list(found)
