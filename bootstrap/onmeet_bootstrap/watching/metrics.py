"""What a bootstrap tells Prometheus: numbers alone, and none that shows one person's coming.

A collector keeps what it is told, on disk and for months, which `status` never does. So what counts
people or their calls is rounded up to a multiple of `STEP`, as Tor's bridges do with theirs
(dir-spec, ``bridge-ips``): one caller more or less is not seen in it. CPU time and open files of
this process would show the same and are left out; whoever watches the machine has them.

The library is Prometheus's own (`prometheus_client`), which libp2p loads in any case: escaping and
the text format cost nothing more. Its default registry, where libp2p's numbers are, is not used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version

import attrs
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from onmeet_bootstrap.app import Counts

STEP = 8
"""Of what counts people; below it nobody and seven look alike, but for 0: nobody at all."""
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_PREFIX = "onmeet_bootstrap_"
_PEOPLE = {
    "connections": "Open connections of nodes",
    "streams": "Open streams of nodes",
    "reservations": "Nodes that can be reached through here",
    "circuits": "Circuits open between two nodes",
    "doors": "Guest links that are open",
    "guests": "Guests at the gateway",
    "mailboxes": "Mailboxes of spoken codes",
    "turn_allocations": "Allocations that coturn has",
    "held": "Entries of every kind of state about nodes (docs/STATE.md)",
}
TURN_STATES = ("up", "down", "elsewhere", "none")


def rounded(count: int) -> int:
    """`count` rounded up to a multiple of `STEP`."""
    return math.ceil(count / STEP) * STEP


@attrs.frozen
class Measured:
    """What is told at one moment."""

    counts: Counts
    memory_locked: bool
    certificates: Mapping[str, float]
    """When each ends, in Unix seconds, by the section of the settings that names it."""


class _Collector:
    """Asked by the library at each scrape."""

    def __init__(self, measure: Callable[[], Measured]) -> None:
        self._measure = measure

    def collect(self) -> Iterator[Metric]:
        now = self._measure()
        counts = now.counts
        yield _labelled("info", "Which release this is.", "version", {version("onmeet-node"): 1})
        yield GaugeMetricFamily(f"{_PREFIX}uptime_seconds", "Since the start.", counts.seconds)
        for name, what in _PEOPLE.items():
            told = f"{what}; rounded up to a multiple of {STEP}."
            yield GaugeMetricFamily(f"{_PREFIX}{name}", told, rounded(getattr(counts, name)))
        states = {state: int(counts.turn == state) for state in TURN_STATES}
        yield _labelled("turn", "Whether TURN is served.", "state", states)
        yield CounterMetricFamily(
            f"{_PREFIX}turn_restarts", "How often coturn was started again.", counts.turn_restarts
        )
        faults = CounterMetricFamily(
            f"{_PREFIX}faults",
            "Faults that nobody expected, by the kind of party they ended. Each is a bug.",
            labels=["party"],
        )
        for party, count in counts.faults.items():
            faults.add_metric([party], count)
        yield faults
        yield GaugeMetricFamily(
            f"{_PREFIX}memory_locked", "1 if its memory cannot be swapped.", int(now.memory_locked)
        )
        yield _labelled(
            "certificate_end_timestamp_seconds",
            "When each TLS certificate ends, in Unix seconds.",
            "section",
            now.certificates,
        )


def _labelled(name: str, what: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(_PREFIX + name, what, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family


def text_of(measure: Callable[[], Measured]) -> bytes:
    """All of it in Prometheus's text format, version 0.0.4."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(measure))
    return generate_latest(registry)
