"""The table of what got through, for the terminal and for docs/OPERATIONS."""

from __future__ import annotations

import datetime
import sys
from dataclasses import dataclass, field
from pathlib import Path

BEGIN, END = "<!-- netlab table: begin -->", "<!-- netlab table: end -->"


@dataclass(frozen=True)
class Row:
    """One pair of networks. Times in seconds."""

    one: str
    other: str
    path: str
    way: str
    """How the caller's media leaves, as in the ICE report."""
    ringing: float
    """From dialling to the callee's word that it rings."""
    heard: float
    """From accepting to the first sound at the caller."""


@dataclass
class Table:
    """Rows as they come."""

    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """One more."""
        self.rows.append(row)

    def markdown(self) -> str:
        """As it stands in the document."""
        lines = [
            "| caller | callee | path | leaves by | call → rings | accept → sound |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {r.one} | {r.other} | {r.path} | {r.way} | {r.ringing * 1000:.0f} ms "
            f"| {r.heard * 1000:.0f} ms |"
            for r in self.rows
        ]
        return "\n".join(lines)

    def show(self) -> None:
        """Prints it past pytest's capture, where somebody looks at a long run."""
        print("\n" + self.markdown(), file=sys.__stderr__, flush=True)

    def write(self, file: Path, day: datetime.date) -> None:
        """Replaces the table in a document."""
        before, _, rest = file.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        note = f"Run on {day.isoformat()}, all on one machine with two cores: read the paths."
        file.write_text(f"{before}{BEGIN}\n{note}\n\n{self.markdown()}\n{END}{after}")
