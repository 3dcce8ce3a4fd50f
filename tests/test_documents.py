"""What the documents say of the tree is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
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


def _sources() -> list[Path]:
    return [
        path for part in ("src", "test", "harness") for path in (ROOT / "ui" / part).rglob("*.ts")
    ]


def test_a_file_that_the_pages_sources_name_is_there() -> None:
    """In comments: what is imported, the compiler looks after."""
    files = _files()
    for source in _sources():
        said = "\n".join(re.findall(r"(?:^|\s)(?://|/?\*+) (.*)", source.read_text(), re.MULTILINE))
        named = set(re.findall(r"(?<![\w:/.])((?:[\w-]+/)*[\w-]+\.(?:py|ts|md|json))\b", said))
        gone = {name for name in named if not any(path.endswith(f"/{name}") for path in files)}
        assert not gone, f"{source.relative_to(ROOT)} names files that are nowhere: {sorted(gone)}"


def _prose(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_test_or_module_that_a_table_names_without_ending_is_there(document: Path) -> None:
    files = _files()
    found = r"`((?:[\w-]+/)*test_\w+|(?:net|cli|web|node|rooms|calls|media|protocol)/[\w/]+)`"
    named = {name.rstrip("/") for name in re.findall(found, _prose(document.read_text()))}
    gone = {
        name
        for name in named
        if not any(f"/{name}.py" in path or f"/{name}/" in path for path in files)
    }
    assert not gone, f"{document.name} names modules that are nowhere: {sorted(gone)}"


NOT_OURS = {"CircuitV2Transport"}


def _words() -> set[str]:
    kinds = {".py", ".ts", ".sql"}
    paths = (ROOT / path.lstrip("/") for path in _files())
    sources = [path.read_text() for path in paths if path.suffix in kinds and path.is_file()]
    return set(re.findall(r"\w+", "\n".join(sources)))


def test_a_class_that_a_document_names_is_there() -> None:
    words = _words()
    for document in DOCUMENTS:
        named = set(re.findall(r"`([A-Z][a-z]\w+)(?=[`.(\[])", _prose(document.read_text())))
        assert named - words - NOT_OURS == set(), document.name


# ── what refers to a place of a document ─────────────────────────────────────────────────────────
NAMES = ("PROTOCOL", "ARCHITECTURE", "THREATS", "OPERATIONS", "API", "EMBED", "STATE")
ELSEWHERE = re.compile(rf"\b({'|'.join(NAMES)})(?:\.md)?,? [\"“]([^\"”\n]+)[\"”]")
HERE = re.compile(r"[\"“]([A-Z][^\"”\n]+)[\"”]")


def _places(name: str) -> set[str]:
    """Headings, and the words in bold or italics that begin a paragraph."""
    text = (ROOT / "docs" / f"{name}.md").read_text()
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    short = [heading.partition(":")[0] for heading in headings]
    begun = re.findall(r"^(?:[-*] )?\*{1,2}(.+?)[.,:]?\*{1,2}", text, re.M)
    return {place.strip() for place in (*headings, *short, *begun)}


def _sources() -> list[Path]:
    places = ("onmeet_node", "bootstrap", "tests", "benchmarks", "ui/src")
    found = [path for place in places for path in (ROOT / place).rglob("*.*")]
    return [path for path in found if path.suffix in {".py", ".ts"} and path != Path(__file__)]


def test_a_place_in_another_document_is_there() -> None:
    places = {name: _places(name) for name in NAMES}
    wrong = [
        f"{path.relative_to(ROOT)}: {name}, {place}"
        for path in (*DOCUMENTS, *_sources())
        for name, place in ELSEWHERE.findall(path.read_text())
        if place not in places[name]
    ]
    assert wrong == []


@pytest.mark.parametrize("name", ["PROTOCOL", "ARCHITECTURE"])
def test_a_place_in_the_same_document_is_there(name: str) -> None:
    text = _prose((ROOT / "docs" / f"{name}.md").read_text())
    said = HERE.findall(ELSEWHERE.sub("", re.sub(r"`[^`]*`", "", text)))
    assert set(said) - _places(name) == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_nothing_points_up_or_down_without_a_name(document: Path) -> None:
    text = _prose(document.read_text())
    assert re.findall(r".{30}(?:\((?:see )?(?:below|above)\)|\b[Ss]ee (?:below|above))", text) == []


def test_the_readme_leads_to_every_document_and_shows_what_is_there() -> None:
    linked = set(re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text()))
    assert {path.relative_to(ROOT).as_posix() for path in DOCUMENTS} - {"README.md"} <= linked
    assert [link for link in linked if ":" not in link and not (ROOT / link).exists()] == []


def test_the_picture_in_the_readme_is_small_enough_for_a_page() -> None:
    picture = (ROOT / "docs" / "app.png").read_bytes()
    assert int.from_bytes(picture[16:20]) == 1280  # PNG, 11.2.1: the width
    assert len(picture) < 150_000
