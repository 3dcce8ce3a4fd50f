"""What the documents say of the tree is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PLACES = ("onmeet_node", "bootstrap", "ui", "tests", "benchmarks", "docs")


def _files() -> list[str]:
    found = [path for place in PLACES for path in (ROOT / place).rglob("*.*")]
    kept = (path.relative_to(ROOT).as_posix() for path in found)
    return [f"/{path}" for path in kept if "node_modules" not in path]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_file_that_a_document_names_is_there(document: Path) -> None:
    files = _files()
    named = set(re.findall(r"`([\w./-]+\.(?:py|ts|css|nft|service))`", document.read_text()))
    gone = {name for name in named if not any(path.endswith(f"/{name}") for path in files)}
    assert not gone, f"{document.name} names files that are nowhere: {sorted(gone)}"
