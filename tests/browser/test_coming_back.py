"""A window after its node was started again, a bookmark, and another browser that asks."""

import json
from urllib.parse import urldefrag

import pytest

from tests.browser.conftest import node, onmeet, window

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]


def address(it):
    """Of the app, without a code: what a bookmark has."""
    return urldefrag(it.url).url


def running(page):
    page.get_by_role("button", name="Settings").wait_for()


def test_a_window_survives_the_restart_of_its_node_and_a_bookmark_opens_the_app(chromium, tmp_path):
    home = tmp_path / "home"
    onmeet("init", "--home", home, "--name", "Ada", "--key-file")
    with node(home, keep=True) as first, window(chromium, first.url) as ada:
        running(ada.page)
        first.process.terminate()
        ada.page.get_by_text("Your node does not answer").wait_for()
        with node(home, keep=True) as second:
            assert address(second) == address(first), "the home's own"
            ada.page.get_by_text("Your node does not answer").wait_for(state="detached")
            running(ada.page)

            bookmark = ada.context.new_page()
            bookmark.goto(address(second))
            running(bookmark)
            assert bookmark.url == address(second)
            assert ada.context.cookies() == []
    kept = json.loads((home / "app.json").read_text())
    assert len(kept["browsers"]) == 1


def test_another_browser_asks_the_window_that_is_open(chromium, tmp_path):
    home = tmp_path / "home"
    onmeet("init", "--home", home, "--name", "Ada", "--key-file")
    with node(home) as it, window(chromium, it.url) as ada:
        running(ada.page)
        with window(chromium, address(it)) as other:
            other.page.get_by_role("button", name="Ask the open window").click()
            number = other.page.get_by_label("Number").inner_text()
            question = ada.page.get_by_role("alertdialog", name="Another window wants to open")
            question.get_by_text(number).wait_for()
            question.get_by_role("button", name="No").click()
            other.page.get_by_text("The other window said no.").wait_for()

            other.page.get_by_role("button", name="Ask the open window").click()
            question.get_by_role("button", name="Let in").click()
            running(other.page)
            other.page.reload()
            running(other.page)
            question.wait_for(state="detached")
        with window(chromium, address(it)) as third:
            ada.page.close()
            third.page.get_by_role("button", name="Ask the open window").click()
            third.page.get_by_text("No other window is open").wait_for()


def test_the_browser_can_install_the_app_as_a_window_of_its_own(whole_chromium, tmp_path):
    home = tmp_path / "home"
    onmeet("init", "--home", home, "--name", "Ada", "--key-file")
    with node(home) as it, window(whole_chromium, it.url) as ada:
        running(ada.page)
        session = ada.context.new_cdp_session(ada.page)
        read = session.send("Page.getAppManifest")
        assert read["errors"] == []
        assert json.loads(read["data"])["name"] == "On-Meet"
        missing = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
        assert [one["errorId"] for one in missing] == ["in-incognito"], "but for the test's window"
        for icon in json.loads(read["data"])["icons"]:
            assert ada.page.evaluate("async (src) => (await fetch(src)).ok", icon["src"])
        assert ada.errors == []
