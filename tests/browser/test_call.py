"""Two people who have never seen the app: from the first run to the history."""

import pytest

from tests.browser import steps
from tests.browser.conftest import calling, window
from tests.browser.people import asked, beside_a_headless_node

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]


def test_from_the_first_run_to_the_history(chromium, tmp_path):
    with asked(chromium, tmp_path) as ((ann, at_ann), (bob, at_bob)):
        at_ann.page.get_by_text("It is me").first.wait_for()
        steps.accept_request(at_ann.page)
        at_bob.page.get_by_role("button", name="Call Ann").wait_for()

        steps.start_call(at_bob.page, "Ann")
        at_ann.page.get_by_role("button", name="Answer with video").click()
        for page in (at_ann.page, at_bob.page):
            steps.wait_moving(page)
            steps.wait_heard(page)
        _talk(at_ann.page, at_bob.page)
        at_bob.page.get_by_role("button", name="Hang up").click()
        at_ann.page.get_by_text("Bob hung up.").wait_for()
        at_bob.page.get_by_text("You hung up.").wait_for()
        for page in (at_ann.page, at_bob.page):
            page.get_by_role("button", name="Close").click()
            page.get_by_role("button", name="History").click()
            page.get_by_text("hung up.").first.wait_for()
        for side, it in ((at_ann, ann), (at_bob, bob)):
            _asked_nobody_else(side, it.url)


def _talk(ann, bob):
    """Everything one does in a call."""
    bob.keyboard.press("m")
    ann.get_by_text("Bob is muted").wait_for()
    bob.keyboard.press("m")
    ann.get_by_text("Bob is muted").wait_for(state="detached")

    bob.get_by_role("button", name="Chat").click()
    bob.get_by_label("Write a line").fill("<b>héllo</b> \u202eolleh")
    bob.get_by_role("button", name="Send").click()
    ann.get_by_role("button", name="Chat").click()
    ann.get_by_role("log", name="Chat").get_by_text("<b>héllo</b>").wait_for()
    ann.get_by_label("Write a line").fill("and back")
    ann.get_by_role("button", name="Send").click()
    bob.get_by_role("log", name="Chat").get_by_text("and back").wait_for()

    bob.get_by_role("button", name="Camera off").click()
    ann.get_by_text("Bob has the camera off").wait_for()
    bob.get_by_role("button", name="Camera on").click()
    ann.get_by_text("Bob has the camera off").wait_for(state="detached")
    steps.wait_moving(ann)

    bob.get_by_role("button", name="Share screen").click()
    ann.get_by_text("Bob shares a screen").wait_for()
    steps.wait_moving(ann, frames=1)
    bob.get_by_role("button", name="Stop sharing").click()
    ann.get_by_text("Bob shares a screen").wait_for(state="detached")
    steps.wait_moving(ann)

    bob.get_by_role("button", name="Devices").click()
    camera = bob.get_by_label("Camera").locator("option").last.get_attribute("value")
    bob.get_by_label("Camera").select_option(camera)
    steps.wait_moving(ann)

    strings = []
    for page in (ann, bob):
        page.get_by_text("You have not compared a number").wait_for()
    ann.get_by_role("button", name="Yes, the same").click()
    ann.get_by_text("Bob has not said so yet").wait_for()
    ann.get_by_text("You have not compared a number").wait_for(state="detached")
    bob.get_by_text("Ann says that the number is the same").wait_for()
    bob.get_by_role("button", name="Yes, the same").click()
    for page in (ann, bob):
        page.get_by_text("Both of you see the same number").wait_for()
        page.get_by_role("button", name="Details").click()
        page.get_by_text("Direct, no relay between you").wait_for()
        strings.append(page.locator(".sas").inner_text())
        page.get_by_role("button", name="Close").click()
    assert strings[0] == strings[1] != ""


def _asked_nobody_else(side, url):
    own = url.partition("://")[2].partition("/")[0]
    hosts = {address.partition("://")[2].partition("/")[0] for address in side.requests}
    assert hosts <= {own, ""}, hosts  # "": data: and blob:
    assert side.context.cookies() == []
    assert side.page.evaluate("Object.keys(localStorage)") == []
    assert side.errors == []
    assert "#" not in side.page.url


@pytest.mark.parametrize("browser_dials", [True, False])
def test_a_browser_and_a_headless_node_call_each_other(chromium, tmp_path, browser_dials):
    with beside_a_headless_node(chromium, tmp_path) as (_, at_ann, bob):
        page = at_ann.page
        if browser_dials:
            steps.start_call(page, "Bob")
            steps.wait_moving(page)
        else:
            with calling(bob.home, "Ann") as call:
                page.get_by_role("button", name="Answer with video").click()
                steps.wait_moving(page)
                steps.wait_heard(page)
                call.terminate()
            page.get_by_text("Bob hung up.").wait_for()
            return
        steps.wait_heard(page)
        kinds = {bob.event("media")["kind"], "audio", "video"}
        assert kinds == {"audio", "video"}
        page.get_by_role("button", name="Hang up").click()
        assert bob.event("ended")["reason"] == "peer-hung-up"
        assert at_ann.errors == []


def test_a_page_that_is_reloaded_in_a_call_goes_on_with_it(chromium, tmp_path):
    with beside_a_headless_node(chromium, tmp_path) as (_, at_ann, bob):
        page = at_ann.page
        steps.start_call(page, "Bob")
        steps.wait_moving(page)
        page.reload()
        steps.wait_moving(page)
        assert bob.event("peer-media")["camera_off"] is True  # it was told of the gap
        page.get_by_role("button", name="Hang up").click()
        assert bob.event("ended")["reason"] == "peer-hung-up"


def test_a_call_rings_in_every_window_and_goes_on_in_the_one_that_takes_it(chromium, tmp_path):
    with beside_a_headless_node(chromium, tmp_path, takes=False) as (ann, first, bob):
        with window(chromium, ann.command("open")["url"]) as second, calling(bob.home, "Ann"):
            answer = "Answer with video"
            first.page.get_by_role("button", name=answer).wait_for()
            second.page.get_by_role("button", name=answer).click()
            steps.wait_moving(second.page)
            first.page.get_by_text("This call uses another window.").wait_for()
            first.page.get_by_role("button", name="Move it here").click()
            steps.wait_moving(first.page)
            second.page.get_by_text("This call uses another window.").wait_for()
            second.page.get_by_role("button", name="Hang up").click()
            first.page.get_by_text("You hung up.").wait_for()
        assert first.errors == second.errors == []
