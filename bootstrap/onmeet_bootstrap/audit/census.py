"""How much every container holds that can be reached from an object, by name.

A container is named by who holds it, ``module.Class.attribute``, whichever the instance: what
grows in one of a hundred connections grows under the same name. What is held in closures and in
the local variables of running tasks counts too, and so do ``lru_cache``s and module globals.
"""

from __future__ import annotations

import functools
import sys
import types
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import trio

OURS = ("onmeet_bootstrap", "onmeet_node", "libp2p", "multiaddr")
"""Packages whose objects are looked into. Others (trio, h11) are reached from tasks alone."""
_LEAVES = (str, bytes, bytearray, memoryview, int, float, complex, bool, type(None), type)


def _ours(module: object) -> bool:
    return isinstance(module, str) and module.split(".", 1)[0] in OURS


def census(*roots: object) -> Counter[str]:
    """Entries held by the containers that can be reached from `roots`, by name."""
    return _Walk().run([("root", root) for root in roots])


def globals_census() -> Counter[str]:
    """Entries of the module globals and caches of `OURS`, for the whole process.

    Other hosts in the same process count too.
    """
    counted: Counter[str] = Counter()
    for name, module in list(sys.modules.items()):
        if not _ours(name):
            continue
        for attribute, value in list(vars(module).items()):
            if isinstance(value, dict | list | set | deque):
                counted[f"{name}:{attribute}"] += len(value)
            for label, function in _functions(attribute, value):
                if getattr(function, "__module__", None) == name:
                    counted[f"{name}:{label}.cache"] += function.cache_info().currsize
    return counted


def _functions(name: str, value: object) -> Iterator[tuple[str, Any]]:
    if isinstance(value, functools._lru_cache_wrapper):
        yield name, value
    elif isinstance(value, type):
        for label, inner in list(vars(value).items()):
            plain = getattr(inner, "__func__", inner)
            if isinstance(plain, functools._lru_cache_wrapper):
                yield f"{name}.{label}", plain
            elif isinstance(plain, dict | list | set | deque) and not label.startswith("__"):
                continue


class _Walk:
    def __init__(self) -> None:
        self._seen: dict[int, object] = {}
        self._counted: Counter[str] = Counter()

    def run(self, todo: list[tuple[str, object]]) -> Counter[str]:
        while todo:
            name, value = todo.pop()
            if isinstance(value, _LEAVES) or id(value) in self._seen:
                continue
            self._seen[id(value)] = value  # kept, so that no id is used twice
            todo.extend(self._inside(name, value))
        return self._counted

    def _inside(self, name: str, value: Any) -> Iterable[tuple[str, object]]:
        if isinstance(value, Mapping):
            self._counted[name] += len(value)
            return [(name, part) for pair in list(value.items()) for part in pair]
        if isinstance(value, list | set | frozenset | deque):
            self._counted[name] += len(value)
            return [(name, part) for part in list(value)]
        if isinstance(value, tuple):
            return [(name, part) for part in value]
        if isinstance(value, functools.partial):
            return [(name, part) for part in (value.func, *value.args, *value.keywords.values())]
        if isinstance(value, types.MethodType):
            return [(name, value.__self__), (name, value.__func__)]
        if isinstance(value, types.FunctionType):
            return self._closure(value) if _ours(value.__module__) else []
        if isinstance(value, types.CoroutineType):
            return self._running(value)
        if isinstance(value, types.AsyncGeneratorType):
            return self._locals(value.ag_frame)
        if isinstance(value, trio.Nursery):
            return [(name, task.coro) for task in value.child_tasks]
        if isinstance(value, trio.MemoryReceiveChannel | trio.MemorySendChannel):
            self._counted[name] += value.statistics().current_buffer_used
            return [(name, part) for part in list(value._state.data)]
        if _ours(type(value).__module__):
            owner = f"{type(value).__module__}.{type(value).__qualname__}"
            return [(f"{owner}.{label}", part) for label, part in _attributes(value)]
        return []

    @staticmethod
    def _closure(function: types.FunctionType) -> Iterable[tuple[str, object]]:
        where = f"{function.__module__}.{function.__qualname__}"
        for label, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            try:
                yield f"{where}({label})", cell.cell_contents
            except ValueError:  # not bound yet
                continue

    def _running(self, coroutine: Any) -> Iterable[tuple[str, object]]:
        while coroutine is not None:
            if isinstance(coroutine, types.CoroutineType):
                yield from self._locals(coroutine.cr_frame)
                coroutine = coroutine.cr_await
            elif isinstance(coroutine, types.GeneratorType):
                coroutine = coroutine.gi_yieldfrom
            else:
                coroutine = getattr(coroutine, "ag_await", None)

    @staticmethod
    def _locals(frame: types.FrameType | None) -> Iterable[tuple[str, object]]:
        if frame is None:
            return
        module = frame.f_globals.get("__name__", "?")
        looked = _ours(module)
        for label, part in list(frame.f_locals.items()):
            if looked or _ours(type(part).__module__):
                yield f"{module}.{frame.f_code.co_qualname}({label})", part


def _attributes(value: object) -> list[tuple[str, object]]:
    found: dict[str, object] = dict(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for label in (slots,) if isinstance(slots, str) else slots:
            read: Callable[..., object] = getattr
            found.setdefault(label, read(value, label, None))
    return list(found.items())
