"""Where benchmarked processes run: hosts of a network laboratory, or just this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tests.netlab.lab import Host, missing, open_lab
from tests.netlab.switch import missing_for_switch


class Place(Protocol):
    """A machine, as far as a benchmark cares."""

    address: str

    def command(self, *argv: str | os.PathLike[str]) -> list[str]:
        """The command line that runs this one there."""
        ...


class ThisMachine:
    """No namespace: 127.0.0.1, for machines where there can be no laboratory."""

    address = "127.0.0.1"

    def command(self, *argv: str | os.PathLike[str]) -> list[str]:
        """The command line as it is."""
        return [os.fspath(part) for part in argv]


class Network:
    """Makes places that are `delay_ms` apart, one way."""

    def __init__(self, lab: object | None) -> None:
        self._lab = lab

    @property
    def simulated(self) -> bool:
        """Whether places are apart at all, and can be silenced."""
        return self._lab is not None

    def place(self, name: str) -> Place:
        """A new place."""
        return self._lab.host(name) if self._lab is not None else ThisMachine()  # type: ignore[attr-defined]


def no_lab() -> str | None:
    """Why this machine has no delayed networks, or None."""
    return missing() or missing_for_switch()


@contextmanager
def open_network(delay_ms: float) -> Iterator[Network]:
    """A network with this one-way delay; at 0 it may be this machine's loopback."""
    if no_lab() is None:
        with open_lab(delay_ms=delay_ms, switch=True) as lab:
            yield Network(lab)
    else:
        yield Network(None)


def traffic(place: Place) -> int | None:
    """Bytes in and out of a place since it was made, loopback left out; None without a lab."""
    if not isinstance(place, Host):
        return None
    with place.inside():
        rows = Path("/proc/thread-self/net/dev").read_text().splitlines()[2:]
    fields = {name.strip(): values.split() for name, _, values in (r.partition(":") for r in rows)}
    return sum(int(v[0]) + int(v[8]) for name, v in fields.items() if name != "lo")
