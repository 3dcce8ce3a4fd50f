"""JSON of views, made here alone: what the control socket answers, and ``--json`` prints.

An object for each class, its fields in their order; an enumeration is its value, bytes are in hex.
"""

from __future__ import annotations

from typing import Any, TypeVar

from cattrs.preconf.json import make_converter

V = TypeVar("V")

_converter = make_converter()
_converter.register_unstructure_hook(bytes, bytes.hex)
_converter.register_structure_hook(bytes, lambda value, _: bytes.fromhex(value))


def as_json(view: object) -> Any:
    """A view (or several, or None) as `json.dumps` takes it."""
    return _converter.unstructure(view)


def from_json(value: Any, cls: type[V]) -> V:
    """The view again that became this JSON, as our own node answered it."""
    return _converter.structure(value, cls)
