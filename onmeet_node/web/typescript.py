"""What the pages' sources have from the node's: ``python -m onmeet_node.web.typescript`` writes it.

The types of the messages between page and node, from `messages`; limits, words and figures of
these and of the protocol, from `tables`. A message is `{t: "name", …}` in TypeScript as on the
wire. Fields with a default may be left out where the page speaks; what the node says is complete.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import attrs

from onmeet_node.control.shapes import HEADLESS
from onmeet_node.protocol.wire.fields import (
    SHAPE,
    Choice,
    Data,
    Flag,
    Integer,
    Maybe,
    Nested,
    Several,
    Text,
    type_name,
)
from onmeet_node.protocol.wire.messages import Unknown
from onmeet_node.web import messages, tables

SOURCES = Path(__file__).parents[2] / "ui" / "src"
_HEAD = """\
// Made from {} by: python -m onmeet_node.web.typescript
// A test compares the two; change the Python and run it again.

"""


def generate() -> dict[Path, str]:
    """Each file, whole."""
    wire, page = "onmeet_node/protocol", "onmeet_node/web/messages/"
    files = {
        "node/messages.ts": (page, _Writer().lines()),
        "node/limits.ts": (page, tables.of_app()),
        "protocol/tables.ts": (wire, tables.of_line()),
        "protocol/room-tables.ts": (wire, tables.of_room()),
    }
    return {
        SOURCES / name: _HEAD.format(origin) + "\n".join(lines).rstrip() + "\n"
        for name, (origin, lines) in files.items()
    }


class _Writer:
    def __init__(self) -> None:
        self._enums: dict[str, type[enum.StrEnum]] = {}
        self._nested: dict[str, type] = {}

    def lines(self) -> Iterator[str]:
        unions = {"FromPage": messages.FromPage, "FromNode": messages.FromNode}
        bodies: list[str] = []
        for name, union in unions.items():
            members = [cls for cls in get_args(union) if cls is not Unknown]
            bodies += [line for cls in members for line in self._interface(cls, tagged=True)]
            bodies += [f"export type {name} =", *(f"  | {m.__name__}" for m in members)]
            bodies[-1] += ";"
            bodies.append("")
        nested: list[str] = []
        done: set[str] = set()
        while pending := [cls for name, cls in self._nested.items() if name not in done]:
            for cls in pending:
                done.add(cls.__name__)
                nested += self._interface(cls, tagged=False)
        yield f"export const VERSION = {messages.VERSION};"
        yield f"export const MAX_PAGE_BYTES = {messages.MAX_PAGE_BYTES};"
        yield f"export const MAX_NODE_BYTES = {messages.MAX_NODE_BYTES};"
        yield ""
        for name, cls in self._enums.items():
            yield from _comment(cls, "")
            yield f"export type {name} = " + " | ".join(f'"{member}"' for member in cls) + ";"
            yield ""
        yield from nested
        yield from bodies

    def _interface(self, cls: type, *, tagged: bool) -> Iterator[str]:
        yield from _comment(cls, "")
        yield f"export interface {cls.__name__} {{"
        if tagged:
            yield f'  t: "{type_name(cls)}";'
        for attribute in attrs.fields(cls):
            if attribute.metadata[SHAPE] == HEADLESS:
                continue  # a page has devices of its own
            may_lack = "?" if attribute.default is not attrs.NOTHING else ""
            yield f"  {attribute.name}{may_lack}: {self._type(attribute.metadata[SHAPE])};"
        yield "}"
        yield ""

    def _type(self, shape: object) -> str:
        match shape:
            case Flag():
                return "boolean"
            case Integer():
                return "number"
            case Text():
                return "string"
            case Data():
                return "Uint8Array"
            case Choice(of=cls):
                self._enums[cls.__name__] = cls
                return str(cls.__name__)
            case Nested(of=cls):
                self._nested[cls.__name__] = cls
                return str(cls.__name__)
            case Several(element=element):
                return f"{self._type(element)}[]"
            case Maybe(shape=inner):
                return f"{self._type(inner)} | null"
            case _:
                raise TypeError(f"no TypeScript for {shape!r}")


def _comment(cls: type, indent: str) -> Iterator[str]:
    text = (cls.__doc__ or "").strip().splitlines()
    yield f"{indent}/** {text[0]}" + (" */" if len(text) == 1 else "")
    for line in text[1:]:
        yield f"{indent} * {line.strip()}".rstrip()
    if len(text) > 1:
        yield f"{indent} */"


if __name__ == "__main__":
    for file, text in generate().items():
        file.write_text(text, encoding="utf-8")
