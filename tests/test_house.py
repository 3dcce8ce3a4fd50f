"""One class, one name, in one place: what is grepped for is found once."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = (ROOT / "onmeet_node", ROOT / "bootstrap" / "onmeet_bootstrap")

MESSAGES = {
    path.relative_to(ROOT).as_posix() for path in (ROOT / "onmeet_node/web/messages").glob("*.py")
}
"""Messages from the node to its pages are named on the wire by their class: they speak of what the
node has under the same name."""
TWICE = {
    "Dial": "what is asked of a node, and what its call machine is told then; named so on the wire",
}


def _classes() -> dict[str, set[str]]:
    found = defaultdict(set)
    for package in PACKAGES:
        for path in package.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    found[node.name].add(path.relative_to(ROOT).as_posix())
    return found


def test_no_class_has_the_name_of_another() -> None:
    found = {name: files for name, files in _classes().items() if name not in TWICE}
    twice = {name: files for name, files in found.items() if len(files - MESSAGES) > 1}
    assert twice == {}


def test_what_is_only_for_tests_is_not_in_the_product() -> None:
    wrong = [
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in package.rglob("*.py")
        if "trio.testing" in path.read_text(encoding="utf-8")
    ]
    assert wrong == []
