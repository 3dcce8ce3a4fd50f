"""The built page: the same wherever it is made, small, asking nobody, and in the wheel."""

import gzip
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from onmeet_node.web.server import STATIC
from tests.requirements import need

ROOT = Path(__file__).parents[2]
UI = ROOT / "ui"
MAX_GZIPPED = 150_000
ICONS = {"icon.svg", "icon-192.png", "icon-512.png", "manifest.webmanifest"}
"""For whoever installs the app as a window of its own."""

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def _needs_node():
    need(None if shutil.which("npm") else "Node.js 20 is not installed")


def built(directory, **environment):
    ui = directory / "ui"
    shutil.copytree(UI, ui, ignore=shutil.ignore_patterns("node_modules", ".test"))
    shutil.copy(ROOT / "hatch_build.py", directory)
    subprocess.run(
        [sys.executable, "hatch_build.py"],
        cwd=directory,
        check=True,
        env={**os.environ, **environment},
        capture_output=True,
    )
    static = directory / "onmeet_node" / "web" / "static"
    return {
        path.relative_to(static).as_posix(): path.read_bytes()
        for path in static.rglob("*")
        if path.is_file()
    }


def test_two_builds_are_the_same_byte_for_byte(tmp_path):
    one = built(tmp_path / "one", TZ="Asia/Tokyo", LANG="tr_TR.UTF-8")
    two = built(tmp_path / "another" / "deeper", TZ="UTC", LANG="C.UTF-8")
    assert one == two
    assert {name for name in one if not name.startswith("assets/")} == {"index.html", *ICONS}
    assert len(one) == 3 + len(ICONS)


def files():
    return [path for path in STATIC.rglob("*") if path.is_file()]


def test_the_page_weighs_little():
    loaded = [path for path in files() if path.name not in ICONS]
    assert sum(len(gzip.compress(path.read_bytes(), 9)) for path in loaded) <= MAX_GZIPPED


def test_the_page_names_no_other_server_and_makes_no_code_at_run_time():
    for path in files():
        if path.suffix == ".png":
            continue
        text = path.read_text(encoding="utf-8")
        addresses = set(re.findall(r"(?:https?|wss?)://[\w.]+", text))
        assert addresses <= {"http://www.w3.org"}, path.name  # the namespace of SVG
        assert not re.search(r"\beval\(|new Function\(", text), path.name
    index = (STATIC / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)", index)
    assert "style=" not in index


def test_the_lock_file_holds_no_address():
    assert '"resolved"' not in (UI / "package-lock.json").read_text(encoding="utf-8")


def test_the_wheel_carries_the_page_and_not_its_sources(tmp_path):
    subprocess.run(
        [
            sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps",
            "--no-build-isolation", "--wheel-dir", tmp_path, ROOT,
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    assert "onmeet_node/web/static/index.html" in names
    assert not any("/ui/" in name or "node_modules" in name for name in names)
