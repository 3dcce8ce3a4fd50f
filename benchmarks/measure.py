"""Measured values: their statistics, targets and floors, as JSON and as a table."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Series:
    """Repeated measurements of one thing at one delay.

    `delay_ms` is one way, None where there is no network. `target` is what it should take, in the
    same unit, less being better. `floor` names the series of the same run and delay that shows
    what the libraries alone take; `floor_ratio` is a target against it.
    """

    name: str
    unit: str
    delay_ms: float | None = None
    target: float | None = None
    floor: str | None = None
    floor_ratio: float | None = None
    values: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """What went wrong in repeats that gave no value."""

    @property
    def median(self) -> float | None:
        """The middle value; None when no repeat succeeded."""
        return statistics.median(self.values) if self.values else None

    @property
    def worst(self) -> float | None:
        """The largest value."""
        return max(self.values, default=None)

    def as_json(self) -> dict[str, Any]:
        """Everything, with the values in the order in which they were measured."""
        return {
            "name": self.name,
            "unit": self.unit,
            "delay_ms": self.delay_ms,
            "median": self.median,
            "min": min(self.values, default=None),
            "max": self.worst,
            "values": [round(value, 4) for value in self.values],
            "target": self.target,
            "floor": self.floor,
            "failures": self.failures,
        }


class Report:
    """The series of one run."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, float | None], Series] = {}
        self._notes: list[str] = []

    def series(self, name: str, unit: str = "ms", **more: Any) -> Series:
        """The series of this name and delay; the same object every time."""
        key = (name, more.get("delay_ms"))
        return self._series.setdefault(key, Series(name, unit, **more))

    def note(self, text: str) -> None:
        """Something that a reader of the results must know."""
        if text not in self._notes:
            self._notes.append(text)

    def get(self, name: str, delay_ms: float | None) -> Series | None:
        """A series that was measured."""
        return self._series.get((name, delay_ms))

    def ratio(self, series: Series) -> float | None:
        """The series' median over its floor's."""
        floor = self.get(series.floor, series.delay_ms) if series.floor else None
        if floor is None or not floor.median or series.median is None:
            return None
        return series.median / floor.median

    def verdict(self, series: Series) -> str:
        """``met``, ``missed``, or nothing where there is no target."""
        if series.median is None:
            return "failed" if series.failures else ""
        if series.target is not None:
            return "met" if series.median <= series.target else "missed"
        ratio = self.ratio(series)
        if series.floor_ratio is not None and ratio is not None:
            return "met" if ratio <= series.floor_ratio else "missed"
        return ""

    def as_json(self, options: dict[str, Any]) -> dict[str, Any]:
        """The machine-readable result: what, where and when, and every value."""
        return {
            "format": 1,
            "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "commit": _commit(),
            "machine": {
                "cores": os.cpu_count(),
                "load_1min_at_end": os.getloadavg()[0],
                "kernel": platform.release(),
                "python": platform.python_version(),
            },
            "options": options,
            "notes": self._notes,
            "series": [
                {**series.as_json(), "ratio": self.ratio(series), "verdict": self.verdict(series)}
                for series in self._series.values()
            ],
        }

    def table(self) -> str:
        """Markdown, one row a thing, one column a delay."""
        delays = sorted({key[1] for key in self._series if key[1] is not None})
        names = list(dict.fromkeys(name for name, _ in self._series))
        head = ["", *(f"{delay:g} ms one way" for delay in delays or [0]), "target", "over floor"]
        lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        for name in names:
            found = [self._series.get((name, delay)) for delay in delays or [None]]
            if not any(found):  # no network in it: one value for all
                found = [self._series.get((name, None)), *[None] * (len(delays) - 1)]
            lines.append("| " + " | ".join([name, *self._cells(found)]) + " |")
        return "\n".join(lines + [f"\n{note}" for note in self._notes])

    def _cells(self, found: list[Series | None]) -> Iterable[str]:
        for series in found:
            if series is None:
                yield ""
            elif series.median is None:
                yield f"failed ({len(series.failures)})" if series.failures else "-"
            else:
                mark = {"missed": " ✗", "met": " ✓"}.get(self.verdict(series), "")
                yield f"{_figure(series.median)} {series.unit}{mark}"
        measured = [series for series in found if series is not None]
        yield " / ".join(_figure(s.target) for s in measured if s.target is not None)
        ratios = [ratio for s in measured if (ratio := self.ratio(s)) is not None]
        yield " / ".join(f"{ratio:.2f}" for ratio in ratios)


def write(report: Report, options: dict[str, Any], path: Path) -> None:
    """Writes the JSON result."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report.as_json(options), indent=1, ensure_ascii=False) + "\n")


def _figure(value: float) -> str:
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _commit() -> str | None:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or None
