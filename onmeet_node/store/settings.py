"""What a person chose, each under a name with a type and a default.

Another layer may keep a value of its own: `Setting("name", Type, default)`, where Type is anything
cattrs can take from JSON and back (frozen classes, tuples, enums, text, numbers).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import cattrs
from cattrs.preconf.json import make_converter

from onmeet_node.errors import OnMeetError
from onmeet_node.protocol.call.node_calls import Busy
from onmeet_node.protocol.identity.policy import ReachPolicy
from onmeet_node.store.database import Database
from onmeet_node.store.errors import HomeDamaged, Rejected
from onmeet_node.store.read_cache import ReadCache

T = TypeVar("T")
MAX_VALUE_CHARS = 65_536


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """The name, type and default of one kept value. `type` may be a union: hence Any.

    `most` bounds how many elements a tuple may have.
    """

    name: str
    type: Any
    default: T
    most: int | None = None


REACH = Setting("reach", ReachPolicy, ReachPolicy.CODES)
"""Who can reach this node at all (P5)."""
BUSY = Setting("busy", Busy, Busy.TELL)
RELAY_ONLY: Setting[bool] = Setting("relay-only", bool, default=False)
"""Never show a peer our addresses."""
REGION: Setting[str | None] = Setting("region", str | None, None)
"""CA or DE: use no bootstrap elsewhere (P10)."""
BOOTSTRAPS: Setting[tuple[str, ...]] = Setting("bootstraps", tuple[str, ...], ())
"""Multiaddrs with /p2p/ of the bootstraps the person added or codes hinted at."""
DHT_PEERS: Setting[tuple[str, ...]] = Setting("dht-peers", tuple[str, ...], (), most=64)
"""Multiaddrs with /p2p/ of DHT servers met before: a way in while every bootstrap is down."""

_BAD = (cattrs.BaseValidationError, OnMeetError, ValueError, TypeError, KeyError)
_converter = make_converter()


class Settings:
    """The `setting` table."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: ReadCache[str, Any] = ReadCache(database)

    def get(self, setting: Setting[T]) -> T:
        """The kept value, or the default. Raises `HomeDamaged` if it does not fit the type."""
        value: T = self._cache.get(setting.name, lambda: self._read(setting))
        return value

    def _read(self, setting: Setting[T]) -> T:
        rows = self._database.execute("SELECT value FROM setting WHERE name = ?", (setting.name,))
        if not rows:
            return setting.default
        try:
            value: T = _structure(json.loads(rows[0][0]), setting.type)
        except _BAD as error:
            raise HomeDamaged(f"The setting {setting.name!r}") from error
        return value

    def put(self, setting: Setting[T], value: T) -> None:
        """Keeps `value`. Raises `Rejected` if it would not come back the same, or is too much."""
        if setting.most is not None and isinstance(value, tuple) and len(value) > setting.most:
            raise Rejected(f"The setting {setting.name!r} holds at most {setting.most} values.")
        try:
            text = json.dumps(_converter.unstructure(value), ensure_ascii=False)
            same = _structure(json.loads(text), setting.type) == value
        except _BAD as error:
            raise Rejected(f"That is no value for the setting {setting.name!r}.") from error
        if not same or len(text) > MAX_VALUE_CHARS:
            raise Rejected(f"That is no value for the setting {setting.name!r}, or it is too long.")
        self._database.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (setting.name, text))

    def reset(self, setting: Setting[Any]) -> None:
        """Back to the default; the old value is erased."""
        with self._database.erasing():
            self._database.execute("DELETE FROM setting WHERE name = ?", (setting.name,))


def _structure(value: Any, wanted: Any) -> Any:
    # cattrs turns "yes" into True and 7 into "7" when asked for bool and str: plain values are
    # compared as they are instead, by `put`, and checked here when read.
    if wanted in {bool, int, str} and type(value) is not wanted:
        raise ValueError(f"{type(value).__name__} where {wanted.__name__} belongs")
    return _converter.structure(value, wanted)
