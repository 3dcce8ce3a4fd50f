"""`make dev` as somebody uses it who works on the app: a change is seen, and Ctrl-C ends it all."""

import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.browser.conftest import onmeet, window

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture
def sources(tmp_path):
    """A copy of `ui/` to work on."""
    ui = tmp_path / "ui"
    shutil.copytree(ROOT / "ui", ui, ignore=shutil.ignore_patterns("node_modules", ".test"))
    (ui / "node_modules").symlink_to(ROOT / "ui" / "node_modules")
    return ui


@contextmanager
def dev(directory, ui):
    """Everything runs in the block; gives the process and the addresses it says."""
    command = [sys.executable, "-m", "tests.dev", "--directory", directory, "--first-port", "0"]
    process = subprocess.Popen([*command, "--ui", ui], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, f"it ended: {said}"
            said += line
        yield process, re.findall(r"http://\S+", said)
    finally:
        process.kill()
        process.wait(20)
        process.stdout.close()


def test_a_change_reloads_the_windows_and_ctrl_c_leaves_nothing(chromium, tmp_path, sources):
    directory = tmp_path / "dev"
    before = set(tmp_path.iterdir())
    with dev(directory, sources) as (process, (ann, _bob, _gateway)):
        started = [process, *psutil.Process(process.pid).children(recursive=True)]
        assert len(started) == 2, "the nodes and the bootstrap; what builds the pages"
        with window(chromium, ann) as at_ann:
            page = at_ann.page
            page.get_by_role("button", name="Call Bob").wait_for()

            texts = sources / "src" / "i18n" / "app" / "en.ts"
            texts.write_text(texts.read_text().replace('"People"', '"Folk"'))
            page.get_by_role("heading", name="Folk").wait_for()
            page.get_by_role("button", name="Call Bob").wait_for()  # and it is let in again

            link = onmeet("invite", "--name", "Tuesday", "--home", directory / "bob")["url"]
            with window(chromium, link) as at_guest:
                at_guest.page.get_by_role("textbox", name="name").wait_for()
                style = sources / "src" / "elements" / "tokens.css"
                with at_guest.page.expect_event("load"):
                    style.write_text(style.read_text() + "\n:root { --changed: 1px }\n")
                assert at_guest.errors == []
            assert at_ann.errors == []

        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert not [one for one in started[1:] if one.is_running()]
    assert set(tmp_path.iterdir()) - before == {directory}


def test_what_builds_the_pages_ends_with_whoever_started_it(tmp_path, sources):
    with dev(tmp_path / "dev", sources) as (process, _):
        (builder,) = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        builder.wait(20)


def test_the_pages_of_a_release_have_nothing_that_reloads_them():
    built = ROOT / "onmeet_node" / "web"
    for page in (*built.glob("static/*.html"), *built.glob("guest/*.html")):
        assert "dev.js" not in page.read_text()
