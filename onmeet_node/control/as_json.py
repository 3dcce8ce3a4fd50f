"""JSON of views, made here alone: what the control socket answers, and ``--json`` prints.

An object for each class, its fields in their order; an enumeration is its value, bytes are in hex.
A field whose name is a word of Python, and has a ``_`` after it, has the name without.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any, TypeVar

import attrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from cattrs.preconf.json import make_converter

V = TypeVar("V")

_converter = make_converter()
_converter.register_unstructure_hook(bytes, bytes.hex)
_converter.register_structure_hook(bytes, lambda value, _: bytes.fromhex(value))


def _is_view(cls: Any) -> bool:
    return attrs.has(cls) or is_dataclass(cls)


def _renamed(cls: type[Any]) -> dict[str, Any]:
    names = cls.__dataclass_fields__ if is_dataclass(cls) else attrs.fields_dict(cls)
    return {name: override(rename=name[:-1]) for name in names if name.endswith("_")}


@_converter.register_unstructure_hook_factory(_is_view)
def _object_of(cls: type[Any]) -> Callable[[Any], dict[str, Any]]:
    return make_dict_unstructure_fn(cls, _converter, **_renamed(cls))


@_converter.register_structure_hook_factory(_is_view)
def _view_of(cls: type[V]) -> Callable[[Any, Any], V]:
    return make_dict_structure_fn(cls, _converter, **_renamed(cls))


def as_json(view: object) -> Any:
    """A view (or several, or None) as `json.dumps` takes it."""
    return _converter.unstructure(view)


def from_json(value: Any, cls: type[V]) -> V:
    """The view again that became this JSON, as our own node answered it."""
    return _converter.structure(value, cls)
