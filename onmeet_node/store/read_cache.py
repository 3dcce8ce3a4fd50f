"""Rows that are asked for again and again: read once, until the database changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from onmeet_node.store.database import Database

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_KEPT = 256


class ReadCache(Generic[K, V]):
    """What `read` gave for each key since anything in the database changed last.

    Not by table: no way of writing can be forgotten then, and between changes a node reads what
    it knows of the same few people hundreds of times. What is kept must not be changed in place.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._as_of = database.changes
        self._kept: dict[K, V] = {}

    def get(self, key: K, read: Callable[[], V]) -> V:
        """The value for `key`. Raises what `read` raises, and keeps nothing then."""
        now = self._database.changes
        if now != self._as_of or len(self._kept) >= MAX_KEPT:
            self._kept.clear()
            self._as_of = now
        if key not in self._kept:
            self._kept[key] = read()
        return self._kept[key]
