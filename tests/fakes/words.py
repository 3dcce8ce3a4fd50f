"""Messages that are well formed and otherwise anything: made from the shapes of their fields."""

from __future__ import annotations

import random
from typing import Any

import attrs

from onmeet_node.protocol.wire import fields
from onmeet_node.protocol.wire.fields import SHAPE, Shape

TEXTS = (
    "",
    "x",
    "CA",
    "DE",
    "v=0",
    "turn:192.0.2.1:3478?transport=udp",
    "turns:turn.example:443?transport=tcp",
    "/ip4/127.0.0.1/tcp/9",
    "/ip4/1.2.3/tcp/1",
    "/p2p-circuit",
    "candidate:1 1 udp 1 127.0.0.1 9 typ host",
    "candidate:1 1 udp 99999999999 a.local 99999 typ host",
    "\x1b[2J\u202e",
    "\x00\r\n",
    "\u00c5\u0301" * 20,
    "\U0001f600" * 9,
    "a" * 4_000,
)


class Words:
    """Says the same for the same seed. Ids, keys and descriptions come up again and again."""

    def __init__(
        self, seed: int, *, ids: list[bytes], keys: list[bytes], texts: tuple[str, ...] = ()
    ) -> None:
        self.random = random.Random(seed)
        self._known = {
            16: [*ids, self.random.randbytes(16)],
            32: [*keys, self.random.randbytes(32)],
        }
        self._texts = texts + TEXTS

    def message(self, cls: type) -> Any:
        """One of this class, or None if ten tries made none that fits together."""
        for _ in range(10):
            said = {
                one.name: self._value(one.metadata[SHAPE])
                for one in attrs.fields(cls)
                if one.default is attrs.NOTHING or self.random.random() < 0.7
            }
            try:
                return cls(**said)
            except ValueError:
                continue
        return None

    def _value(self, shape: Shape) -> Any:
        dice = self.random
        match shape:
            case fields.Flag():
                return dice.random() < 0.5
            case fields.Integer(low=low, high=high):
                return dice.choice([low, high, min(high, low + dice.randrange(6))])
            case fields.Data(low=low, high=high):
                if low == high and low in self._known and dice.random() < 0.8:
                    return dice.choice(self._known[low])
                return dice.randbytes(min(high, low + dice.choice([0, 1, 40, 2_000])))
            case fields.Text():
                fitting = [text for text in self._texts if shape.check(text) is None]
                return dice.choice(fitting or ["x" * shape.low])
            case fields.Choice(of=of):
                return dice.choice(list(of))
            case fields.Nested(of=of):
                return self.message(of)
            case fields.Several(element=element, low=low, high=high, distinct=distinct):
                many = dice.randint(low, min(high, low + 4))
                made = [self._value(element) for _ in range(many)]
                return tuple(dict.fromkeys(made)) if distinct else tuple(made)
            case fields.Maybe(shape=inner):
                return None if dice.random() < 0.3 else self._value(inner)
        raise AssertionError(shape)
