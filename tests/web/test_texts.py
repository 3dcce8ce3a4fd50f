"""Every visible text of the page comes from the catalogues, and every text of theirs is used."""

import re
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "ui" / "src"
PAGES = sorted(
    path
    for part in ("app", "call", "elements", "guest", "room")
    for path in (SOURCES / part).glob("*.ts")
)
LANGUAGES = ("en", "fr", "de", "ar")
ATTRIBUTES = re.compile(r'\b(?:aria-label|title|placeholder|alt)="([^"]*)"')
COMPUTED = ("refused", "reason", "trouble", "region", "field", "share", "news", "ring", "nav")
"""First parts of keys that are put together at run time."""


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_visible_text_is_written_into_a_page(path):
    text = path.read_text(encoding="utf-8")
    for attribute in ATTRIBUTES.findall(text):
        assert not re.search(r"[^\W\d_]{2,}", re.sub(r"\$\{.*?\}", "", attribute)), attribute
    for template in re.findall(r"html`(.*?)`", text, re.S):
        visible = re.sub(r"\$\{.*", "", template, flags=re.S)  # up to the first computed part
        for words in re.findall(r">([^<>]*)<", visible):
            assert not re.search(r"[^\W\d_]{2,}", words), words


def keys(language: str) -> dict[str, str]:
    """All texts: of the app, of a call, of the guest page."""
    found: dict[str, str] = {}
    for part in ("app", "call", "call/alone", "call/inside", "guest", "room", "trouble"):
        text = (SOURCES / "i18n" / part / f"{language}.ts").read_text(encoding="utf-8")
        more = dict(re.findall(r'^  "([\w.-]+)":\s+"((?:[^"\\]|\\.)*)",$', text, re.M))
        assert not found.keys() & more.keys(), "each text in one place"
        found |= more
    return found


def test_every_text_is_used():
    code = "".join(path.read_text(encoding="utf-8") for path in PAGES)
    unused = [
        key
        for key in keys("en")
        if f'"{key}"' not in code
        and not key.startswith(COMPUTED)
        and f"`{key.rpartition('.')[0]}.${{" not in code
    ]
    assert unused == []


def test_a_refusal_that_is_translated_exists():
    """The node says which of its errors it was by the name of its class."""
    packages = Path(__file__).parents[2] / "onmeet_node"
    code = "".join(path.read_text(encoding="utf-8") for path in packages.rglob("*.py"))
    errors = set(re.findall(r"^class (\w+)\(", code, re.M)) | {"LinkLost"}  # the page's own
    told = {key.partition(".")[2] for key in keys("en") if key.startswith("refused.")}
    assert told <= errors


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_translation_fills_in_the_same(language):
    english, other = keys("en"), keys(language)
    assert english.keys() == other.keys()
    for key, text in english.items():
        wanted = set(re.findall(r"\{(\w+)\}", text)) - {"n"}
        assert set(re.findall(r"\{(\w+)\}", other[key])) - {"n"} == wanted, key
        assert other[key].strip(), key


def test_french_punctuation_stays_with_its_word():
    """A line does not begin with what a space sets off."""
    loose = {key: text for key, text in keys("fr").items() if re.search(r" [:;?!»]|« ", text)}
    assert loose == {}


IN_LATIN = re.compile(r"@[\w/.-]+|\b[a-z][a-z-]*:")
"""A sign before or behind a word of code, which an Arabic line would put on its other side."""


def test_what_is_written_in_latin_keeps_its_order_in_an_arabic_line():
    for key, text in keys("ar").items():
        isolated = re.sub(r"\\u2066.*?\\u2069", "", text)
        latin = [one for one in IN_LATIN.findall(isolated) if one.isascii()]
        assert latin == [], key
