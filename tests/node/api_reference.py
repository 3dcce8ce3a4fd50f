"""The reference of docs/API.md, made of the docstrings of what `onmeet_node` exports."""

from __future__ import annotations

import ast
import enum
import functools
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Iterator

import onmeet_node
from onmeet_node.calls.call import Call
from onmeet_node.calls.history import History
from onmeet_node.contacts.codes import Codes
from onmeet_node.contacts.contacts import Contacts
from onmeet_node.guests.guests import Guests
from onmeet_node.guests.links import Links
from onmeet_node.media.frames import FrameFeed, FrameTap
from onmeet_node.node.node import Node
from onmeet_node.rooms.rooms import Rooms

HOME = "onmeet_node"
PARTS: dict[type, str] = {
    Contacts: "node.contacts",
    Codes: "node.contacts.codes",
    History: "node.history",
    Guests: "node.guests",
    Links: "node.guests.links",
    Rooms: "node.rooms",
}
"""What a node consists of, and where a program finds it."""
NOT_FOR_PROGRAMS: dict[type, set[str]] = {
    Call: {
        *("publish", "changed", "path_changed", "link", "unlink", "first_frame", "chat"),
        *(
            "recording_stopped",
            "source_ended",
            "peer_sends",
            "finish",
            "tell_media",
            "links",
            "session",
        ),
    },
    Node: {"run", "say_goodbye", "use_app", "use_own_gateway", "describe_call", "host_stats"},
    FrameTap: {"acquire", "release", "put"},
    FrameFeed: {"take_audio", "take_video"},
}
"""What other parts of On-Meet ask of an object. All the rest is told, so a new method is, too."""


@functools.cache
def _module(cls: type) -> ast.Module:
    return ast.parse(inspect.getsource(importlib.import_module(cls.__module__)))


def _said_after(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, str, str]]:
    """Attributes with the text that stands after them: name, type as written, text."""
    for number, line in enumerate(body):
        if isinstance(line, ast.AnnAssign):
            target, kind = ast.unparse(line.target), ast.unparse(line.annotation)
        elif isinstance(line, ast.Assign):
            target, kind = ast.unparse(line.targets[0]), ""
        else:
            continue
        name = target.removeprefix(prefix)
        if not target.startswith(prefix) or not name.isidentifier() or name.startswith("_"):
            continue
        after = body[number + 1] if number + 1 < len(body) else None
        text = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            text = inspect.cleandoc(str(after.value.value))
        yield name, kind, text


def _attributes(cls: type) -> Iterator[tuple[str, str, str]]:
    (definition,) = [
        each
        for each in _module(cls).body
        if isinstance(each, ast.ClassDef) and each.name == cls.__name__
    ]
    yield from _said_after(definition.body, "")
    for each in definition.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            yield from _said_after(each.body, "self.")


def members(cls: type) -> Iterator[tuple[str, str]]:
    """Of a class, for programs: how it is written, and what its docstring says."""
    hidden = NOT_FOR_PROGRAMS.get(cls, set())
    for name, kind, text in _attributes(cls):
        if name not in hidden and (text or kind) and "field(repr=False)" not in name:
            yield (f"{name}: {kind}" if kind else name), text
    for name, value in vars(cls).items():
        if name.startswith("_") or name in hidden:
            continue
        if isinstance(value, property):
            kind = inspect.signature(value.fget).return_annotation  # type: ignore[arg-type]
            yield f"{name}: {kind}", inspect.getdoc(value) or ""
        elif inspect.isfunction(value):
            yield signature(name, value), inspect.getdoc(value) or ""


def signature(name: str, function: object) -> str:
    """How it is called, with its types as they are written."""
    assert callable(function)
    told = inspect.signature(function)
    taken = [one for one in told.parameters.values() if one.name != "self"]
    text = str(told.replace(parameters=taken)).replace("'", "")
    text = re.sub(r"<(\w+\.\w+): \w+>", r"\1", text)  # a member of an enumeration
    text = re.sub(r"frozenset\(\{(.*?)\}\)", _sorted_set, text)
    before = "await " if inspect.iscoroutinefunction(function) else ""
    if "AsyncIterator" in text and hasattr(function, "__wrapped__"):
        text, before = re.sub(r"AsyncIterator\[(.*)\]", r"\1", text), "async with "
    elif "Iterator" in text and hasattr(function, "__wrapped__"):
        text, before = re.sub(r"Iterator\[(.*)\]", r"\1", text), "with "
    return f"{before}{name}{text}"


def _sorted_set(found: re.Match[str]) -> str:
    return f"frozenset({{{', '.join(sorted(found[1].split(', ')))}}})"


def _prose(text: str) -> str:
    """A docstring as Markdown: its paragraphs, and one backtick where reST has two."""
    paragraphs = textwrap.dedent(text).replace("``", "`").split("\n\n")
    return "\n\n".join(" ".join(each.split()) for each in paragraphs)


def _value(name: str, value: object) -> Iterator[str]:
    if inspect.isfunction(value):
        yield f"### `{signature(name, value)}`\n\n{_prose(inspect.getdoc(value) or '')}\n"
        return
    assert isinstance(value, type)
    where = PARTS.get(value)
    yield f"### `{name}`" + (f" (`{where}`)" if where else "") + "\n"
    yield _prose(inspect.cleandoc(value.__doc__ or "")) + "\n"
    if issubclass(value, enum.Enum):
        yield ", ".join(f"`{name}.{each.name}`" for each in value) + "\n"
    else:
        rows = [
            f"- `{said}`" + (f": {_prose(text)}" if text else "") for said, text in members(value)
        ]
        yield "\n".join(row.replace("\n\n", " ") for row in rows) + ("\n" if rows else "")


def documented() -> dict[str, object]:
    """What programs are given, by name."""
    own = {name: getattr(onmeet_node, name) for name in onmeet_node.__all__}
    return {**own, **{cls.__name__: cls for cls in PARTS}}


def reference() -> str:
    """The whole of it."""
    lines = [line for name, value in documented().items() for line in _value(name, value)]
    return "\n" + "\n".join(lines)


def errors_named() -> set[str]:
    """Names of errors that docstrings for programs say are raised."""
    texts = [inspect.getdoc(value) or "" for value in documented().values()]
    texts += [
        text
        for value in documented().values()
        if isinstance(value, type) and not issubclass(value, enum.Enum)
        for _, text in members(value)
    ]
    raised = [
        said for text in texts for said in re.findall(r"Raises(.*?)(?:\.\s|\.$|\n\n)", text, re.S)
    ]
    return {name for said in raised for name in re.findall(r"`([A-Z]\w+)`", said)}


def errors_there_are() -> set[str]:
    """Names of all exceptions of the package."""
    found: set[str] = set()
    for module in pkgutil.walk_packages(onmeet_node.__path__, f"{HOME}."):
        if module.name.endswith((".errors", ".checking")) or not module.ispkg:
            if module.name.endswith("__main__"):
                continue
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, type) and issubclass(value, Exception):
                    found.add(value.__name__)
    return found


if __name__ == "__main__":
    print(reference())
