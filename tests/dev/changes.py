"""The changes of the next release, a file each in `docs/changes/`, and their way to CHANGELOG.md.

`make changelog VERSION=0.2.0`. Not towncrier: its kinds and issue numbers would be two more things
to get right, and ours is one list.
"""

from __future__ import annotations

import datetime
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHANGES = ROOT / "docs" / "changes"
CHANGELOG = ROOT / "CHANGELOG.md"
MAX_COLUMNS = 120
RELEASE = re.compile(r"## \d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)")


def fragments(directory: Path = CHANGES) -> list[Path]:
    """The files of the changes, in the order of the changelog."""
    return sorted(path for path in directory.iterdir() if path.name != "README.md")


def trouble(name: str, text: str) -> str | None:
    """What is wrong with a change's file, and what to do; None if nothing is."""
    lines = text.splitlines()
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*\.md", name):
        return "name it in small letters, digits and hyphens, with .md at the end"
    if not text.startswith("- "):
        return 'begin with an item: "- What is different."'
    for number, line in enumerate(lines, 1):
        if not re.match(r"(- |  )\S", line):
            return f'line {number}: begin an item with "- ", its other lines with two spaces'
        if len(line) > MAX_COLUMNS:
            return f"line {number}: break it at {MAX_COLUMNS} characters"
        last = number == len(lines) or lines[number].startswith("- ")
        if last and not line.endswith("."):
            return f"line {number}: end the item with a full stop"
    return None if text.endswith("\n") else "end the last line"


def troubles(files: list[Path]) -> list[str]:
    """What is wrong with these files, each with its name."""
    found = ((path.name, trouble(path.name, path.read_text())) for path in files)
    return [f"docs/changes/{name}: {why}" for name, why in found if why is not None]


def changelog_trouble(text: str) -> str | None:
    """What is wrong with the changelog: whatever stands in it and under no release."""
    _, *releases = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    head = text[: len(text) - sum(map(len, releases))]
    if re.search(r"^\s*[-*] ", head, re.MULTILINE):
        return "an item stands under no release: give it a file of its own in docs/changes/"
    for release in releases:
        heading = release.splitlines()[0]
        if not RELEASE.fullmatch(heading):
            return f"{heading!r} is no release: its items belong in docs/changes/, a file each"
    return None


def gathered(changelog: str, version: str, day: datetime.date, changes: list[str]) -> str:
    """The changelog with a release more, before the ones that it has."""
    head, mark, rest = changelog.partition("\n## ")
    head = re.sub(r" Nothing is released yet;.*", "", head.rstrip(), flags=re.DOTALL)
    return f"{head}\n\n## {version} ({day.isoformat()})\n\n{''.join(changes)}{mark}{rest}"


def main() -> None:
    """Moves the files into the changelog under the version that is given."""
    (version,) = sys.argv[1:] or ("",)
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise SystemExit("Which release? make changelog VERSION=0.1.0")
    files = fragments()
    if wrong := troubles(files):
        raise SystemExit("\n".join(wrong))
    if not files:
        raise SystemExit("There is nothing in docs/changes/.")
    today = datetime.datetime.now(datetime.UTC).date()
    text = gathered(CHANGELOG.read_text(), version, today, [path.read_text() for path in files])
    CHANGELOG.write_text(text)
    for path in files:
        path.unlink()


if __name__ == "__main__":
    main()
